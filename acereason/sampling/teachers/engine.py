"""This module runs a teacher of Qwen's architecture on this machine, by any rollout engine."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from safetensors import safe_open
from torch import Tensor

from acereason.common.errors import UserError
from acereason.common.types import Problem, Sampling
from acereason.data.prompts import Template
from acereason.models.backbone import Backbone, load_config, load_tokenizer
from acereason.models.served import ends_of, generation_of
from acereason.processes.drivers import driver, hidden, too_old
from acereason.rollouts.engine import RolloutEngine
from acereason.sampling.request import Failed, Finished, Request, drawn

_AT_ONCE = 16_384
"""Number of requests that the engine gets at a time.

The engine idles while a batch's last responses end; with so many in a batch that is a small part of the time.
"""


@dataclass
class Local:
    """A teacher on this machine: a model, and the engine that generates with it."""

    pretrained: str
    """Hub name or folder of a Qwen2, Qwen2.5 or Qwen3 model (safetensors)."""
    engine: RolloutEngine
    """Engine that generates: HFEngine or VLLMEngine."""

    def identity(self) -> dict[str, Any]:
        """Return the settings that responses depend on."""
        return {"pretrained": self.pretrained, "engine": type(self.engine).__name__}


class EngineTeacher:
    """Generates with an engine, whose weights are streamed from a Hugging Face folder.

    Args:
        local: the model and its engine.
        template: template of the prompts.
        sampling: how responses are drawn.
        seed: seed of all draws.
    """

    def __init__(self, local: Local, template: Template, sampling: Sampling, seed: int) -> None:
        self.local, self.template, self.sampling, self.seed = local, template, sampling, seed
        self.config = load_config(local.pretrained, Backbone(attention="documents"), "engine")
        self.tokenizer = load_tokenizer(local.pretrained, Backbone(), self.config, "engine.pretrained")
        template.check(self.tokenizer, "template")

    def sample(self, requests: list[Request]) -> Iterator[Finished | Failed]:
        """Yield each request's outcome. A prompt that does not fit the context beside the response budget fails."""
        context, budget = self.config.max_position_embeddings, self.sampling.max_response_length
        problems = {request.problem.id: request.problem for request in requests}
        lengths = {name: len(self._encode(problem)) for name, problem in problems.items()}
        long = {name: length for name, length in lengths.items() if length + budget > context}
        for request in requests:
            if length := long.get(request.problem.id):
                yield Failed(request, f"a prompt of {length} tokens where {context - budget} fit beside the response")
        waiting = [request for request in requests if request.problem.id not in long]
        # why: started only now, since the engine is told the longest sequence that it will see
        if waiting:
            self._start(budget + max(length for name, length in lengths.items() if name not in long))
        for start in range(0, len(waiting), _AT_ONCE):
            batch = [self._templated(request) for request in waiting[start : start + _AT_ONCE]]
            yield from drawn(self.local.engine, batch, self.sampling, self.seed)

    def close(self) -> None:
        """Close the engine."""
        self.local.engine.close()

    def _encode(self, problem: Problem) -> list[int]:
        return self.template.encode_prompt(problem, self.tokenizer)

    def _templated(self, request: Request) -> Request:
        return Request(replace(request.problem, prompt_ids=self._encode(request.problem)), request.sample)

    def _start(self, longest: int) -> None:
        engine = self.local.engine
        if not hidden() and (why := too_old(driver())):
            raise UserError(f"engine: {why}; or set CUDA_VISIBLE_DEVICES= for the CPU")
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        ends = [*self.template.stop_ids(self.tokenizer), *ends_of(generation_of(self.local.pretrained))]
        engine.start(self.config, self.tokenizer, list(dict.fromkeys(ends)), device, longest)
        weights = saved_weights(self.local.pretrained, engine.weights_dtype)
        # why: files of tied models may hold the head as well, for which the engine has no parameter
        tied = {"lm_head.weight"} if self.config.tie_word_embeddings else set()
        engine.update_weights(((name, tensor) for name, tensor in weights if name not in tied), version=0)


def saved_weights(pretrained: str, dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    """Yield (name, tensor) of a folder or of a model on the Hub, one at a time.

    Args:
        pretrained: folder, or name on the Hub.
        dtype: dtype to which each tensor is converted.
    """
    folder = Path(pretrained)
    if not folder.is_dir():
        folder = Path(snapshot_download(pretrained, allow_patterns=["*.safetensors"]))
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise UserError(f"engine.pretrained: {pretrained} has no .safetensors files")
    for file in files:
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118  not a dict
                yield name, tensors.get_tensor(name).to(dtype)
