"""This module has the requests to a teacher, and their outcomes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from acereason.common.seeds import derive_seed
from acereason.common.types import Problem
from acereason.rollouts.engine import alone_id

Key = tuple[str, int]
"""Problem id and number of the sample, which name a request."""


@dataclass(frozen=True)
class Request:
    """A request for one response to one problem."""

    problem: Problem
    sample: int
    """Number among the problem's responses, 0 to N - 1."""

    @property
    def key(self) -> Key:
        """The name of the request."""
        return self.problem.id, self.sample

    @property
    def name(self) -> str:
        """The key as one text, which a rollout engine gets for the problem's id."""
        return alone_id(self.problem.id, self.sample)

    def seed(self, seed: int) -> int:
        """Return the seed of the request's draws, a function of `seed`, the problem's id and the sample."""
        # why: a rollout engine derives this very seed for the only rollout of a problem of this name
        return derive_seed(seed, self.name, 0)


@dataclass(frozen=True)
class Finished:
    """A request with its response."""

    request: Request
    text: str
    tokens: int
    """Length of the response in tokens, the stop token included."""
    finish_reason: Literal["stop", "length"]


@dataclass(frozen=True)
class Failed:
    """A request without a response; the next call asks again."""

    request: Request
    reason: str
    """Why there is no response, in one line."""


class Teacher(Protocol):
    """A model that responds, on a server or on this machine."""

    def sample(self, requests: list[Request]) -> Iterator[Finished | Failed]:
        """Yield each request's outcome as it ends, in any order.

        Raises:
            UserError: no request can succeed.
        """
        ...

    def close(self) -> None:
        """Free connections, processes and memory."""
        ...
