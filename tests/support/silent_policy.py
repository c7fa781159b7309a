"""A policy whose every response is its end token, as an export."""

from pathlib import Path
from types import SimpleNamespace

import torch

from acereason.data.prompts import Template
from acereason.modules.base import QwenModule
from tests.support.fakes import TOKENIZER, tiny_qwen

TEMPLATE = Template(system="s", math="{statement}")


def ending(end: int) -> torch.nn.Module:
    """A Qwen2 that always predicts the token `end`: nothing but the first hidden value reaches the head."""
    model = tiny_qwen(tie_word_embeddings=False)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.zero_() if "proj" in name else parameter.fill_(1.0)
        model.lm_head.weight.zero_()
        model.lm_head.weight[end] = 1.0
    return model


def exported(folder: Path, template: Template = TEMPLATE, tokenizer=TOKENIZER, **settings) -> Path:
    """What the callbacks make of such a policy."""
    module = QwenModule(**settings)
    module.tokenizer, module.model = tokenizer, ending(template.end_id(tokenizer))
    module.config = module.model.config
    module.data, module._trainer = SimpleNamespace(template=template), SimpleNamespace(is_global_zero=True)
    module.export(folder)
    return folder
