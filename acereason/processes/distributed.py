"""Communication between ranks. Each function is the identity in a single process."""

import sys
from typing import Any, TypeVar

from acereason.processes.listener import Shared

T = TypeVar("T")

LAUNCHED = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")
"""Environment variables by which a launcher tells a process which rank it is; its children inherit them."""

# why: rank 0's server of the store must outlive its process group, for ranks that end later
_stores: list[Any] = []
"""A reference to the ranks' store."""


def group() -> Any:
    """Return torch's module of collectives, `torch.distributed`; None where this process is alone."""
    # why: a process that hasn't loaded torch is no rank, and loading it takes longer than some verbs' work
    loaded = sys.modules.get("torch.distributed")
    return loaded if loaded and loaded.is_available() and loaded.is_initialized() else None


def rank() -> int:
    """Return this process's number."""
    ranks = group()
    return ranks.get_rank() if ranks else 0


def world_size() -> int:
    """Return the number of processes."""
    ranks = group()
    return ranks.get_world_size() if ranks else 1


def dealt(items: list[T]) -> list[T]:
    """Return this rank's share of the items: every n-th of n ranks, beginning with its own number."""
    # why: neighbours are often alike, such as responses to one problem, and so go to different ranks
    return items[rank() :: world_size()]


def gather(items: list[T]) -> list[T]:
    """Return all ranks' items, in rank order, on every rank. The items are pickled: keep them small."""
    ranks = group()
    if not ranks:
        return items
    everyone: list[list[T]] = [[] for _ in range(world_size())]
    ranks.all_gather_object(everyone, items)
    return [item for part in everyone for item in part]


def largest(value: float) -> float:
    """Return the maximum over ranks."""
    return max(gather([value]))


def signal_store() -> Shared | None:
    """Return the store in which ranks tell each other of signals, and the number of ranks; None before it exists."""
    ranks = group()
    if not ranks or world_size() == 1:
        return None
    store: Any = ranks.distributed_c10d._get_default_store()
    _stores[:] = [store]
    # why: a connection of its own: the main thread may be waiting on the other one
    return store.clone(), world_size()
