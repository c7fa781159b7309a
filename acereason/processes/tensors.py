"""Tensors over ranks, and the end of all ranks by one collective. Each function is the identity in a single process."""

import pickle
from typing import TypeVar

import torch
from torch import Tensor
from torch.distributed import all_to_all_single, distributed_c10d
from torch.distributed.tensor import DTensor

from acereason.processes import signals
from acereason.processes.distributed import group, world_size

T = TypeVar("T")


def local(tensor: Tensor) -> Tensor:
    """Return this rank's shard of a DTensor, and any other tensor as it is."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def mesh_device(tensor: Tensor) -> torch.device:
    """Return the device that a DTensor's ranks compute and communicate on, and any other tensor's own."""
    return torch.device(tensor.device_mesh.device_type) if isinstance(tensor, DTensor) else tensor.device


def whole(tensor: Tensor) -> Tensor:
    """Return a DTensor gathered from all ranks, each of which must call it, on the device that they compute on, and any
    other tensor as it is."""
    # why: offloaded shards are in the machine's memory, and NCCL gathers what is on GPUs alone
    return tensor.to(mesh_device(tensor)).full_tensor() if isinstance(tensor, DTensor) else tensor


def total(values: Tensor) -> Tensor:
    """Sum the values elementwise over ranks, in place."""
    if ranks := group():
        ranks.all_reduce(values)
    return values


def exchanged(items: list[T], owners: list[int]) -> list[T]:
    """Send each of this rank's items to its owner; return all ranks' items that this rank owns, in rank order. Every
    rank must call it."""
    if world_size() == 1:
        return items
    parts = [[item for item, owner in zip(items, owners, strict=True) if owner == each] for each in range(world_size())]
    sent = [torch.frombuffer(bytearray(pickle.dumps(part)), dtype=torch.uint8) for part in parts]
    # why: not all_gather_object, which would send every rank's texts to all ranks
    device = distributed_c10d._get_object_coll_device()
    sizes = torch.tensor([len(part) for part in sent], device=device)
    received_sizes = torch.empty_like(sizes)
    all_to_all_single(received_sizes, sizes)
    received = torch.empty(int(received_sizes.sum()), dtype=torch.uint8, device=device)
    all_to_all_single(received, torch.cat(sent).to(device), received_sizes.tolist(), sizes.tolist())
    return [item for part in received.cpu().split(received_sizes.tolist()) for item in pickle.loads(part.numpy())]


def end_if_interrupted(device: torch.device) -> None:
    """Raise Interrupted on every rank if any of them has had a signal; from now on signals wait for this call.

    Every rank must call it, at the same places. Until all ranks have come to the first call, a rank may leave alone.
    """
    # why: a rank that left between two calls would leave the others waiting in a collective
    signals.hold()
    number = torch.tensor(signals.received(), device=device)
    if ranks := group():
        ranks.all_reduce(number, ranks.ReduceOp.MAX)
    if int(number):
        raise signals.Interrupted(int(number), agreed=True)
