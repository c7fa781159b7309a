"""What a teacher is asked, and what becomes of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from acereason.rollouts.engine import alone_id
from acereason.seeds import derive_seed
from acereason.types import Problem

Key = tuple[str, int]
"""Problem id and sample: names a request."""


@dataclass(frozen=True)
class Request:
    """One response to one problem."""

    problem: Problem
    sample: int
    """0 to N - 1."""

    @property
    def key(self) -> Key:
        """Its name."""
        return self.problem.id, self.sample

    @property
    def name(self) -> str:
        """The key as one text: what a rollout engine takes for a problem's id."""
        return alone_id(self.problem.id, self.sample)

    def seed(self, seed: int) -> int:
        """Of its draws: what a rollout engine derives for the one rollout of a problem of this name."""
        return derive_seed(seed, self.name, 0)


@dataclass(frozen=True)
class Finished:
    """A request that has its response."""

    request: Request
    text: str
    tokens: int
    """Of the response, the stop token included."""
    finish_reason: Literal["stop", "length"]


@dataclass(frozen=True)
class Failed:
    """A request that has none, for now."""

    request: Request
    reason: str
    """In one line."""


class Teacher(Protocol):
    """Whoever responds."""

    def sample(self, requests: list[Request]) -> Iterator[Finished | Failed]:
        """Each request's outcome as it ends, in any order.

        Raises:
            UserError: no request can succeed.
        """
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...
