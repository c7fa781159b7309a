"""A sized, resumable loader of batches."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Loader(Generic[T]):
    """Yields batches of items, by index. The position is saved with every checkpoint.

    Args:
        batches: the indices of each batch, as many batches on every rank.
        fetch: returns the item of an index.
    """

    # why: the order is fixed by the caller: Lightning may call `iter` more than once an epoch, and must get the same
    def __init__(self, batches: list[list[int]], fetch: Callable[[int], T]) -> None:
        self.batches, self.fetch = batches, fetch
        self._next = self._resume_at = 0

    # why: Lightning prefetches one batch of a loader without length, and a rollout made ahead of the update before it
    # would be one policy stale
    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[T]]:
        # why: only the first pass after a resume begins in the middle
        start, self._resume_at = self._resume_at, 0
        for position in range(start, len(self.batches)):
            self._next = position + 1
            yield [self.fetch(index) for index in self.batches[position]]

    def state_dict(self) -> dict[str, Any]:
        """Return the position; Lightning saves and restores it."""
        return {"next": self._next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue after the last batch that was yielded."""
        self._next = self._resume_at = state["next"]


def batched(order: list[int], size: int) -> list[list[int]]:
    """Cut an order of indices into batches of `size`; the last one may be smaller."""
    return [order[start : start + size] for start in range(0, len(order), size)]
