"""This module runs a teacher of Qwen's architecture beside the policy: a model that is never updated."""

from typing import Protocol

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule
from transformers import PreTrainedTokenizerBase

from acereason.algorithm.batching import collate, even_parts
from acereason.common.errors import UserError
from acereason.common.types import Sequence
from acereason.models.backbone import Backbone, load_config, load_tokenizer
from acereason.models.family import QwenConfig
from acereason.models.qwen import Qwen, build_model
from acereason.processes.distributed import largest

_KEY = "model.teacher"


class Computing(Protocol):
    """How the policy computes, which the teacher shares."""

    backbone: Backbone
    micro_batch_tokens: int
    logits_mib: int

    @property
    def config(self) -> QwenConfig:
        """The policy's configuration."""

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The policy's tokenizer."""


class FrozenTeacher:
    """A teacher on the policy's device, sharded where the policy is, without gradient, optimizer or checkpoint.

    Args:
        pretrained: Hub name or folder of a Qwen2, Qwen2.5 or Qwen3 model.
        policy: the policy that it teaches.
    """

    # why no nn.Module: as a part of the policy's module its weights would be in every checkpoint

    def __init__(self, pretrained: str, policy: Computing) -> None:
        self.pretrained, self.policy = pretrained, policy
        self.backbone = Backbone(attention=policy.backbone.attention, compute_dtype=policy.backbone.compute_dtype)
        self.config = load_config(pretrained, self.backbone, _KEY)
        self._model: Qwen | None = None

    def check(self, longest: int) -> None:
        """Raise a UserError where the teacher has another vocabulary than the policy, or a context below `longest`."""
        key = f"{_KEY}.pretrained"
        own = load_tokenizer(self.pretrained, self.backbone, self.config, key).get_vocab()
        # why: a teacher may know further tokens, as Qwen3 does beside Qwen2.5
        other = [token for token, id_ in self.policy.tokenizer.get_vocab().items() if own.get(token) != id_]
        if other:
            raise UserError(
                f"{key}: {self.pretrained} has another vocabulary than the policy: {other[0]!r} and {len(other) - 1:,} "
                "others are not the same tokens; take a teacher of the policy's family"
            )
        if longest > (context := self.config.max_position_embeddings):
            raise UserError(
                f"{key}: {self.pretrained} has a context of {context:,} tokens, prompt and response up to {longest:,}"
            )

    def build(self, device: torch.device, mesh: DeviceMesh | None) -> None:
        """Load the weights, in the dtype that the policy computes in. Every rank must call it."""
        dtype = getattr(torch, self.backbone.compute_dtype)
        model = build_model(self.config, self.pretrained, self.backbone, 0, mesh, dtype, f"{_KEY}.pretrained")
        if mesh is None:
            nn.Module.to(model, device)  # in place; transformers' own has no types
        self._model = model.requires_grad_(False)

    @torch.no_grad()
    def logprobs(self, rows: list[Sequence], temperature: float) -> list[list[float] | str]:
        """Return of each row the [R] log-probs of its response's tokens at this temperature, or why there are none.
        Every rank must call it as often."""
        model, told = self._built, dict[int, list[float] | str]()
        known = [row for row in rows if max(row.token_ids) < self.config.vocab_size]
        for part in even_parts(known, self.policy.micro_batch_tokens) if largest(len(known)) else []:
            batch = collate(part, model.lm_head.weight.device)
            logprobs, _ = model.token_logprobs(batch, temperature, self.policy.logits_mib)
            lengths = [row.response_length for row in part]
            told |= zip(map(id, part), map(torch.Tensor.tolist, logprobs.split(lengths or [0])), strict=False)
        if isinstance(model, FSDPModule):
            model.reshard()  # a forward pass without a backward leaves the outermost parameters gathered
        return [told.get(id(row), "a token beyond the teacher's vocabulary") for row in rows]

    @property
    def _built(self) -> Qwen:
        if self._model is None:
            raise RuntimeError(f"{_KEY}: asked before its weights were loaded")
        return self._model
