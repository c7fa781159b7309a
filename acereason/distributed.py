"""What ranks tell each other. Each function is the identity in a single process."""

from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor

from acereason import signals
from acereason.listener import Shared

T = TypeVar("T")

_stores: list[Any] = []
"""Keeps rank 0's server of the store for ranks that end later than its process group."""


def _initialized() -> bool:
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    """This process's number."""
    return dist.get_rank() if _initialized() else 0


def world_size() -> int:
    """Number of processes."""
    return dist.get_world_size() if _initialized() else 1


def dealt(items: list[T]) -> list[T]:
    """This rank's share of what all ranks have to do, every so many-th item: neighbours, which are alike, go to
    different ranks."""
    return items[rank() :: world_size()]


def local(tensor: Tensor) -> Tensor:
    """What this rank holds of it."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def gather(items: list[T]) -> list[T]:
    """Every rank's items in rank order, on every rank. The items are pickled: keep them small."""
    if not _initialized():
        return items
    everyone: list[list[T]] = [[] for _ in range(world_size())]
    dist.all_gather_object(everyone, items)
    return [item for part in everyone for item in part]


def total(values: torch.Tensor) -> torch.Tensor:
    """Elementwise sum over ranks."""
    if _initialized():
        dist.all_reduce(values)
    return values


def largest(value: float) -> float:
    """Maximum over ranks."""
    return max(gather([value]))


def end_if_interrupted(device: torch.device) -> None:
    """Raise Interrupted on every rank where any of them has had a signal; from now on signals wait for this.

    Every rank must call it, at the same places. Nothing has been passed before all have come to the first of them, so
    that until then a rank may leave alone.
    """
    signals.hold()
    number = torch.tensor(signals.received(), device=device)
    if _initialized():
        dist.all_reduce(number, dist.ReduceOp.MAX)
    if int(number):
        raise signals.Interrupted(int(number), agreed=True)


def signal_store() -> Shared | None:
    """Where ranks tell each other of signals, and how many they are; None before they know each other."""
    if not _initialized() or world_size() == 1:
        return None
    store: Any = dist.distributed_c10d._get_default_store()
    _stores[:] = [store]
    return store.clone(), world_size()  # a connection of its own: the main thread may wait on the other
