"""A policy that leaves its trainer: as a stream of weights to an engine, and as a Hugging Face folder; and its return.

Parameter names are Hugging Face's own throughout, so that a checkpoint, an export and a rollout engine agree on them.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from transformers import PreTrainedTokenizerBase

from acereason.common.errors import UserError
from acereason.common.files import atomic_folder
from acereason.models.backbone import telling
from acereason.models.family import copy_of
from acereason.models.files import holders, write_weights
from acereason.models.lora import gathered_adapters, merged_weights, read_adapters, weights_of, write_adapters
from acereason.models.qwen import Qwen
from acereason.models.served import Served
from acereason.models.sharding import read
from acereason.processes.tensors import whole

ADAPTER = "adapter"
"""Folder of the adapters within an export."""


def stream_weights(
    model: Qwen, dtype: torch.dtype = torch.float32, copies: bool = True
) -> Iterator[tuple[str, Tensor]]:
    """(name, full tensor) in `dtype`, one at a time, tied ones once. Under FSDP every rank must take every tensor, in
    step: each is a gather. Without `copies` the tensors of a model that is not sharded come as they are, in its own
    dtype, to an engine that converts them where it copies them; those of a model with adapters never do."""
    tied, state = model.config.tie_word_embeddings, model.state_dict()
    if tied:
        del state["lm_head.weight"]
    if model.lora is not None:
        yield from ((name, tensor.to(dtype)) for name, tensor in merged_weights(state, model.lora))
        return
    for name, tensor in state.items():
        if copies or isinstance(tensor, DTensor):
            tensor = tensor.to(dtype)
        yield name, whole(tensor)


def load_weights(model: Qwen, folder: Path) -> None:
    """Replace what is trained of a model, sharded or not, by that of an exported folder: its weights, or its adapters.
    Every rank must call it."""
    if isinstance(model, FSDPModule):
        model.reshard()  # a forward pass without a backward leaves the outermost parameters gathered
    if model.lora is not None:
        read_adapters(model, folder / ADAPTER)
        return
    with telling(str(folder), "export"):
        files = holders(sorted(folder.glob("*.safetensors")))
    if not files:
        raise UserError(f"{folder}: no exported policy there")
    names = dict(model.named_parameters())
    if other := sorted(files.keys() ^ names.keys()):
        raise UserError(f"{folder}: exported from another model: {other[0]} is in one of them alone")
    with telling(str(folder), "export"):
        read(names.items(), files)


def export(
    model: Qwen,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    is_writer: bool,
    served: Served | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a Hugging Face folder, with what `served` says of its use, and below it, as `adapter`, peft's folder of the
    adapters, if there are any. Every rank gathers, a tensor at a time, which `is_writer` alone writes; the folder
    appears whole or not at all."""
    weights = chain(stream_weights(model, dtype), gathered_adapters(model))
    try:
        if is_writer:
            _write(model, tokenizer, folder, weights, served, dtype)
    finally:
        for _ in weights:  # the ranks gather in step, also where nobody writes, or can't go on with it
            pass


def _write(
    model: Qwen,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    weights: Iterator[tuple[str, Tensor]],
    served: Served | None,
    dtype: torch.dtype,
) -> None:
    with atomic_folder(folder) as target:
        config = copy_of(model.config, dtype)
        if served is not None:
            tokenizer = served.tokenizer(tokenizer)
            config.eos_token_id = served.stop_ids[0]
            served.generation_config(tokenizer).save_pretrained(target)
        config.save_pretrained(target)
        tokenizer.save_pretrained(target)
        write_weights(target, weights, {name: p.shape for name, p in weights_of(model)}, dtype)
        if model.lora is not None:
            write_adapters(target / ADAPTER, model.lora, dict(weights), model.config.name_or_path)
