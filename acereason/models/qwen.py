"""The Qwen2 backbone: build it, shard it, stream its weights, export it.

Parameter names are Hugging Face's own throughout, so that a checkpoint, an export and a rollout engine agree on them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from huggingface_hub import save_torch_state_dict
from safetensors.torch import load_file
from torch import Tensor
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase, Qwen2Config, Qwen2ForCausalLM
from transformers.utils import is_flash_attn_2_available

import acereason.models.attention  # noqa: F401  registers the "documents" attention
from acereason.batching import MicroBatch
from acereason.errors import UserError, first_line
from acereason.files import atomic_folder
from acereason.models.bytes import BYTES, byte_tokenizer
from acereason.models.head import chunked_logprobs, chunked_loss


@dataclass
class Backbone:
    """Which Qwen2 model, beyond the name of its weights, and how it computes."""

    config: dict[str, Any] | None = None
    """Values of transformers' Qwen2Config for a model with random weights; only without `pretrained`."""
    tokenizer: str | None = None
    """Hub name or folder; null takes the one beside the weights. `bytes`: one token a byte, for toys."""
    rope_theta: float | None = None
    """Base of the rotary embedding; null keeps the model's. The paper: 10,000 -> 1,000,000 (section 3.1.2)."""
    max_position_embeddings: int | None = None
    """Context in tokens; null keeps the model's."""
    attention: Literal["auto", "flash_attention_2", "documents"] = "auto"
    """auto: flash_attention_2 where flash-attn is installed, else SDPA document by document."""
    gradient_checkpointing: bool = False
    """Recompute each layer in backward: less memory, about a third more time."""
    compile: bool = False
    """Compile each layer by torch.compile at the first step, for any length; needs a C++ compiler on a CPU."""
    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    """Of matrix products under FSDP; parameters, gradients and the optimizer stay float32."""


class Qwen(Qwen2ForCausalLM):
    """Qwen2 that answers with log-probs of a packed micro batch instead of logits."""

    def token_logprobs(self, batch: MicroBatch, temperature: float, logits_mib: int) -> tuple[Tensor, Tensor]:
        """log pi(target) and entropy for each of the batch's M loss tokens, both [M] float32, at temperature T, without
        a gradient."""
        return chunked_logprobs(self._predicting(batch), self.lm_head.weight, batch.targets, temperature, logits_mib)

    def token_loss(
        self, batch: MicroBatch, objective: Callable[[MicroBatch, Tensor], Tensor], temperature: float, logits_mib: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The loss, and what `token_logprobs` gives. `objective` is asked for some tokens of the batch at a time, with
        their log-probs: the loss is the sum of its answers, and alone has a gradient."""
        return chunked_loss(
            self._predicting(batch),
            self.lm_head.weight,
            batch.targets,
            lambda logprobs, rows: objective(batch.tokens(rows), logprobs),
            temperature,
            logits_mib,
        )

    def _predicting(self, batch: MicroBatch) -> Tensor:
        """[M, H] final hidden states of the positions that predict."""
        hidden = self.model(
            input_ids=batch.input_ids,
            position_ids=batch.position_ids,
            use_cache=False,
            document_lengths=batch.document_lengths,
            cu_seq_lens_q=batch.cu_seqlens,
            cu_seq_lens_k=batch.cu_seqlens,
            max_length_q=max(batch.document_lengths),
            max_length_k=max(batch.document_lengths),
        ).last_hidden_state[0]
        return hidden[batch.predictors]


def load_config(pretrained: str | None, backbone: Backbone, key: str = "model") -> Qwen2Config:
    """The model's configuration with the backbone's overrides applied. `key` is what holds `pretrained`, for errors."""
    if (pretrained is None) == (backbone.config is None):
        raise UserError("model: give either pretrained (a Hub name or folder) or backbone.config (random weights)")
    named = pretrained is not None
    config = _from_hub(AutoConfig, pretrained, f"{key}.pretrained") if named else Qwen2Config(**(backbone.config or {}))
    if config.model_type != "qwen2":
        raise UserError(
            f"{key}.pretrained: {pretrained} is a {config.model_type} model; Qwen2 and Qwen2.5 are supported"
        )
    if backbone.rope_theta is not None:
        config.rope_parameters = {**(config.rope_parameters or {}), "rope_theta": backbone.rope_theta}
    if backbone.max_position_embeddings is not None:
        config.max_position_embeddings = backbone.max_position_embeddings
    config._attn_implementation = _attention(backbone.attention)
    return config


def load_tokenizer(pretrained: str | None, backbone: Backbone) -> PreTrainedTokenizerBase:
    """The tokenizer named by the backbone, else the one beside the weights."""
    name = backbone.tokenizer or pretrained
    if name is None:
        raise UserError(
            "model.backbone.tokenizer: name one (a Hub name, a folder, or `bytes`); random weights bring none"
        )
    return byte_tokenizer() if name == BYTES else _from_hub(AutoTokenizer, name, "model.backbone.tokenizer")


def build_model(config: Qwen2Config, pretrained: str | None, backbone: Backbone, seed: int) -> Qwen:
    """The model on the CPU in float32: the named weights, or random ones that depend on the seed alone."""
    if pretrained is not None:
        model = _from_hub(
            Qwen,
            pretrained,
            "model.pretrained",
            config=config,
            dtype=torch.float32,
            attn_implementation=config._attn_implementation,
        )
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = Qwen(config)
    if backbone.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if backbone.compile:
        for layer in model.model.layers:
            layer.compile(dynamic=True)
    return model.train()  # from_pretrained gives eval mode, in which checkpointing is silently off


def shard(model: Qwen, mesh: DeviceMesh, compute_dtype: str) -> Qwen:
    """FSDP2 over the mesh: each layer on its own, then the rest; gradients are reduced in float32."""
    policy = MixedPrecisionPolicy(param_dtype=getattr(torch, compute_dtype), reduce_dtype=torch.float32)
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    for method in ("token_logprobs", "token_loss"):
        register_fsdp_forward_method(model, method)
    return model


def stream_weights(model: Qwen, dtype: torch.dtype = torch.float32) -> Iterator[tuple[str, Tensor]]:
    """(name, full tensor) in `dtype`, one at a time, tied ones once. Under FSDP every rank must take every tensor, in
    step: each is a gather."""
    tied = model.config.tie_word_embeddings
    for name, tensor in model.state_dict().items():
        if tied and name == "lm_head.weight":
            continue
        tensor = tensor.to(dtype)
        yield name, tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def load_weights(model: Qwen, folder: Path) -> None:
    """Replace the weights of a model, sharded or not, by those of an exported folder. Every rank must call it."""
    weights: dict[str, Any] = {
        name: tensor for file in sorted(folder.glob("*.safetensors")) for name, tensor in load_file(file).items()
    }
    if not weights:
        raise UserError(f"{folder}: no exported policy there")
    if isinstance(model, FSDPModule):
        model.reshard()  # a forward pass without a backward leaves the outermost parameters gathered
    options = StateDictOptions(full_state_dict=True, strict=False)  # tied weights are stored once
    result = set_model_state_dict(model, weights, options=options)
    if result.unexpected_keys:
        raise UserError(f"{folder}: exported from another model, {result.unexpected_keys[0]} has no place in this one")


def export(model: Qwen, tokenizer: PreTrainedTokenizerBase, folder: Path, is_writer: bool) -> None:
    """Write a Hugging Face folder. Every rank gathers, `is_writer` alone keeps and writes; the folder appears whole or
    not at all."""
    weights = {name: tensor.cpu().contiguous() for name, tensor in stream_weights(model) if is_writer}
    if not is_writer:
        return
    with atomic_folder(folder) as target:
        config = Qwen2Config.from_dict(model.config.to_dict())
        config.architectures, config.dtype = ["Qwen2ForCausalLM"], torch.float32
        config.save_pretrained(target)
        save_torch_state_dict(weights, target)
        tokenizer.save_pretrained(target)


def _attention(wanted: str) -> str:
    if wanted == "flash_attention_2" and not is_flash_attn_2_available():
        raise UserError(
            "model.backbone.attention: flash_attention_2 needs the package flash-attn; install it or set auto"
        )
    if wanted == "auto":
        return "flash_attention_2" if is_flash_attn_2_available() else "documents"
    return wanted


def _from_hub(loader: Any, name: str | None, key: str, **kwargs: Any) -> Any:
    try:
        return loader.from_pretrained(name, **kwargs)
    except OSError as error:
        reason = first_line(error)
        raise UserError(
            f"{key}: {name!r} is neither a folder with a model nor a name that the Hub answers to ({reason})"
        ) from error
