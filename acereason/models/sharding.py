"""Filling of a sharded model, on every rank at once and one tensor at a time; each rank holds some rows of each."""

from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor
from torch.distributed import broadcast
from torch.distributed.tensor import DTensor

from acereason.common.errors import UserError
from acereason.models.family import QwenForCausalLM
from acereason.models.files import copy_rows
from acereason.processes.distributed import gather, rank
from acereason.processes.tensors import local, mesh_device


def materialize(model: QwenForCausalLM, kept_on: torch.device, device: torch.device) -> None:
    """Give a model on the meta device memory for the rows that this rank holds.

    Args:
        model: sharded.
        kept_on: device of the rows.
        device: device that the model computes on.
    """
    model.to_empty(device=kept_on)
    # why: `to_empty` has given tied weights a tensor each
    if model.config.tie_word_embeddings:
        model.lm_head.weight = model.model.embed_tokens.weight
    # why: its frequencies are no weights, so that no file has them
    rotary = type(model.model.rotary_emb)
    model.model.rotary_emb = rotary(model.config).to(device)


@torch.no_grad()
def read(weights: Iterable[tuple[str, Tensor]], files: dict[str, Path]) -> None:
    """Copy this rank's rows of all (name, parameter) from {name: file that holds it}."""
    for name, parameter in weights:
        copy_rows(files[name], name, list(parameter.shape), rows(parameter), local(parameter))


@torch.no_grad()
def fill(weights: Iterable[tuple[str, Tensor]], make: Callable[[], QwenForCausalLM]) -> None:
    """Make the whole model on the first rank, and broadcast it tensor by tensor to the (name, parameter) pairs of all.
    Every rank must call it.

    Raises:
        UserError: on every rank, if making the model raised one.
    """
    whole = _made(make)
    made = dict(whole.named_parameters()) if whole else {}
    for name, parameter in weights:
        mine, device = local(parameter), mesh_device(parameter)
        source = (
            made.pop(name).detach().to(device, mine.dtype) if whole else mine.new_empty(parameter.shape, device=device)
        )
        broadcast(source, 0)
        mine.copy_(source[rows(parameter)])
        # why: freed at once: the whole model shrinks as the shards are filled
        if whole:
            whole.get_parameter(name).data = torch.empty(0)


def pin_exactly() -> None:
    """Let torch pin as many bytes of the machine's memory as it is asked for, where they are many, instead of the next
    power of two."""
    # why: pinned, 7B's weights and gradients would take 116 GB, not 61. Not `pinned_max_round_threshold_mb`: torch
    # 2.13 takes a block that is too small from its cache, which holds none above the limit that is set here
    torch._C._accelerator_setAllocatorSettings("pinned_max_cached_size_mb:16")


def _made(make: Callable[[], QwenForCausalLM]) -> QwenForCausalLM | None:
    made, refused = None, ""
    if rank() == 0:
        try:
            made = make()
        except UserError as error:
            refused = str(error)
    # why: gathered, so that all ranks raise: the others would wait for the broadcast of a rank that has left
    if reason := "".join(gather([refused])):
        raise UserError(reason)
    return made


def rows(parameter: Tensor) -> slice:
    """Return the rows that this rank holds: all, or FSDP2's share, which is equal but for the last ranks.

    Example:
        >>> rows(torch.zeros(3, 2))
        slice(0, 3, None)
    """
    if not isinstance(parameter, DTensor):
        return slice(0, len(parameter))
    mesh = parameter.device_mesh
    start = min(mesh.get_local_rank() * -(-len(parameter) // mesh.size()), len(parameter))
    return slice(start, start + len(parameter.to_local()))
