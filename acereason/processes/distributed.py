"""Communication between ranks. Each function is the identity in a single process."""

import heapq
import itertools
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from acereason.processes.listener import Shared

T = TypeVar("T")

LAUNCHED = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")
"""Environment variables by which a launcher tells a process which rank it is; its children inherit them."""

# why: rank 0's server of the store must outlive its process group, for ranks that end later
_stores: list[Any] = []
"""A reference to the ranks' store."""
_calls = itertools.count()
"""Numbers the calls of `claimed`."""


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


def dealt(items: list[T], costs: Sequence[float] | None = None) -> list[T]:
    """Return this rank's share of the items: about as much of the costs as every other rank's, and without costs every
    n-th of n ranks, beginning with its own number."""
    # why: neighbours are often alike, such as responses to one problem, and so go to different ranks
    bins = shares(costs or [1.0] * len(items), world_size())
    return [item for item, bin_ in zip(items, bins, strict=True) if bin_ == rank()]


def shares(costs: Sequence[float], bins: int, most: int | None = None) -> list[int]:
    """Return a bin for each item, so that the bins' sums are about equal: the costliest item first, each into the bin
    with the least so far (LPT).

    Args:
        most: items that a bin may have; None: any number.

    Example:
        >>> shares([1, 9, 2, 3, 3], bins=2)
        [1, 0, 1, 1, 1]
    """
    chosen = [0] * len(costs)
    loads = [(0.0, 0, bin_) for bin_ in range(bins)]
    for item in sorted(range(len(costs)), key=lambda item: -costs[item]):
        load, count, bin_ = heapq.heappop(loads)
        chosen[item] = bin_
        if count + 1 != most:
            heapq.heappush(loads, (load + costs[item], count + 1, bin_))
    return chosen


def claimed(count: int) -> Iterator[int]:
    """Yield the numbers below `count`, ascending, until all are taken; each goes to the rank that asks first. Every
    rank must call it as often as the others."""
    if world_size() == 1:
        yield from range(count)
        return
    # why: a counter of its own for each call: a rank that asks late must not take a number of the next one
    store, key = _store(), f"acereason/claims/{next(_calls)}"
    while (number := store.add(key, 1) - 1) < count:
        yield number
    if number + 1 == count + world_size():
        # why: each rank asks once in vain, and nobody asks after the last of them
        store.delete_key(key)


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


def _store() -> Any:
    return sys.modules["torch.distributed"].distributed_c10d._get_default_store()


def signal_store() -> Shared | None:
    """Return the store in which ranks tell each other of signals, and the number of ranks; None before it exists."""
    ranks = group()
    if not ranks or world_size() == 1:
        return None
    store = _store()
    _stores[:] = [store]
    # why: a connection of its own: the main thread may be waiting on the other one
    return store.clone(), world_size()
