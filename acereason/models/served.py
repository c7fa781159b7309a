"""Tokenizer and generation config of an export, so that it is served with the prompts and stop tokens of training."""

import copy
from dataclasses import dataclass
from pathlib import Path

from transformers import GenerationConfig, PreTrainedTokenizerBase

from acereason.common.errors import UserError, first_line


def generation_of(pretrained: str | None) -> GenerationConfig:
    """Read the generation_config.json beside the weights; return an empty one if there is none, or no weights."""
    file = Path(pretrained or "") / "generation_config.json"
    if pretrained is None or (file.parent.is_dir() and not file.exists()):
        return GenerationConfig()
    try:
        return GenerationConfig.from_pretrained(pretrained)
    except OSError as error:
        if file.exists():
            raise UserError(f"model.pretrained: {file} can't be read: {first_line(error)}") from error
        # why: the Hub has no such file; a missing model has been reported when its config.json was read
        return GenerationConfig()


def ends_of(generation: GenerationConfig) -> list[int]:
    """Return the tokens that end a response by a generation config."""
    ids = generation.eos_token_id
    return [ids] if isinstance(ids, int) else list(ids or [])


@dataclass
class Served:
    """Settings by which an exported policy is served: as it was trained, and sampled as `test` measures it."""

    chat_template: str
    """Chat template in Jinja."""
    stop_ids: list[int]
    """Tokens that end a response, first the one that SFT learns."""
    generation: GenerationConfig
    """Generation config of the model that training began with."""

    def tokenizer(self, tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
        """Return a copy of the trainer's tokenizer with the template, and with its end token if that is special."""
        served = copy.deepcopy(tokenizer)
        served.chat_template = self.chat_template
        # why: before eos becomes the end token: padding must not be taken for an end
        if served.pad_token is None:
            served.pad_token = served.eos_token
        end = served.added_tokens_decoder.get(self.stop_ids[0])
        # why: declaring an ordinary token special would change how texts are cut into tokens
        if end is not None and end.special:
            served.eos_token = end.content
        return served

    def generation_config(self, tokenizer: PreTrainedTokenizerBase) -> GenerationConfig:
        """Return the stop tokens and the paper's sampling (4.1), by which `test` measures; vLLM and transformers use it
        for a request without settings."""
        # why: made anew: the base's own sampling and limits go, as this policy was trained without them
        pad = tokenizer.pad_token_id if self.generation.pad_token_id is None else self.generation.pad_token_id
        return GenerationConfig(
            bos_token_id=self.generation.bos_token_id,
            pad_token_id=pad,
            eos_token_id=self.stop_ids,
            do_sample=True,
            temperature=0.6,
            top_p=0.95,
            top_k=0,  # why: transformers' default is 50
        )
