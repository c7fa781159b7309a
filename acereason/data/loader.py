"""A sized, resumable loader of batches; each rank takes its share of every batch."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from acereason.distributed import rank, world_size

T = TypeVar("T")


class Loader(Generic[T]):
    """Hands out batches of items by index.

    It is sized on purpose: Lightning prefetches one batch of a loader without length, and a rollout made ahead of the
    update before it would be one policy stale. The position is saved with every checkpoint; the order is the caller's,
    a function of (seed, epoch), since Lightning may call `iter` more than once an epoch.

    Args:
        batches: the indices of each global batch.
        fetch: item of an index.
    """

    def __init__(self, batches: list[list[int]], fetch: Callable[[int], T]) -> None:
        self.batches, self.fetch = batches, fetch
        self._next = self._resume_at = 0

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[T]]:
        start, self._resume_at = self._resume_at, 0
        for position in range(start, len(self.batches)):
            self._next = position + 1
            yield [self.fetch(index) for index in self.batches[position][rank() :: world_size()]]

    def state_dict(self) -> dict[str, Any]:
        """The position; Lightning saves and restores it."""
        return {"next": self._next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue behind the last batch handed out."""
        self._next = self._resume_at = state["next"]


def batched(order: list[int], size: int) -> list[list[int]]:
    """The order cut into batches; the last one may be short."""
    return [order[start : start + size] for start in range(0, len(order), size)]
