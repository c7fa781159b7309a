"""Communication between ranks. Each function is the identity in a single process."""

from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor

from acereason.processes import signals
from acereason.processes.listener import Shared

T = TypeVar("T")

LAUNCHED = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")
"""Environment variables by which a launcher tells a process which rank it is; its children inherit them."""

# why: rank 0's server of the store must outlive its process group, for ranks that end later
_stores: list[Any] = []
"""A reference to the ranks' store."""


def _initialized() -> bool:
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    """Return this process's number."""
    return dist.get_rank() if _initialized() else 0


def world_size() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if _initialized() else 1


def dealt(items: list[T]) -> list[T]:
    """Return this rank's share of the items: every n-th of n ranks, beginning with its own number."""
    # why: neighbours are often alike, such as responses to one problem, and so go to different ranks
    return items[rank() :: world_size()]


def local(tensor: Tensor) -> Tensor:
    """Return this rank's shard of a DTensor, and any other tensor as it is."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def gather(items: list[T]) -> list[T]:
    """Return all ranks' items, in rank order, on every rank. The items are pickled: keep them small."""
    if not _initialized():
        return items
    everyone: list[list[T]] = [[] for _ in range(world_size())]
    dist.all_gather_object(everyone, items)
    return [item for part in everyone for item in part]


def total(values: torch.Tensor) -> torch.Tensor:
    """Sum the values elementwise over ranks, in place."""
    if _initialized():
        dist.all_reduce(values)
    return values


def largest(value: float) -> float:
    """Return the maximum over ranks."""
    return max(gather([value]))


def end_if_interrupted(device: torch.device) -> None:
    """Raise Interrupted on every rank if any of them has had a signal; from now on signals wait for this call.

    Every rank must call it, at the same places. Until all ranks have come to the first call, a rank may leave alone.
    """
    # why: a rank that left between two calls would leave the others waiting in a collective
    signals.hold()
    number = torch.tensor(signals.received(), device=device)
    if _initialized():
        dist.all_reduce(number, dist.ReduceOp.MAX)
    if int(number):
        raise signals.Interrupted(int(number), agreed=True)


def signal_store() -> Shared | None:
    """Return the store in which ranks tell each other of signals, and the number of ranks; None before it exists."""
    if not _initialized() or world_size() == 1:
        return None
    store: Any = dist.distributed_c10d._get_default_store()
    _stores[:] = [store]
    # why: a connection of its own: the main thread may be waiting on the other one
    return store.clone(), world_size()
