"""What ranks tell each other. Each function is the identity in a single process."""

from typing import TypeVar

import torch
import torch.distributed as dist

T = TypeVar("T")


def _initialized() -> bool:
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    """This process's number."""
    return dist.get_rank() if _initialized() else 0


def world_size() -> int:
    """Number of processes."""
    return dist.get_world_size() if _initialized() else 1


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
