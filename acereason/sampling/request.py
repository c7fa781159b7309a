"""This module has the requests for responses, their outcomes, and the models that respond."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from acereason.common.seeds import derive_seed
from acereason.common.types import Problem, Sampling
from acereason.rollouts.engine import Place, RolloutEngine, alone, alone_id


@dataclass(frozen=True)
class Request:
    """A request for one response to one problem."""

    problem: Problem
    sample: int
    """Number among the problem's responses, 0 to N - 1."""

    @property
    def place(self) -> Place:
        """The problem's id and the number, which together name the request."""
        return self.problem.id, self.sample

    @property
    def name(self) -> str:
        """The place as one text, which a rollout engine gets for the problem's id."""
        return alone_id(self.problem.id, self.sample)

    def seed(self, seed: int) -> int:
        """Return the seed of the request's draws, a function of `seed`, the problem's id and the sample."""
        # why: a rollout engine derives this very seed for the only rollout of a problem of this name
        return derive_seed(seed, self.name, 0)


def requests_of(problems: Iterable[Problem], samples: int) -> list[Request]:
    """Return the requests for `samples` responses to each problem, problem by problem."""
    return [Request(problem, sample) for problem in problems for sample in range(samples)]


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


def drawn(engine: RolloutEngine, requests: Iterable[Request], sampling: Sampling, seed: int) -> Iterator[Finished]:
    """Yield the responses that an engine generates to requests with templated problems, each as it ends."""
    by_name = {request.name: request for request in requests}
    # why: a group of its own for each response, so that one can be drawn again without its problem's others
    problems = [alone(request.problem, request.sample) for request in by_name.values()]
    for group in engine.generate(problems, sampling, num_rollouts=1, seed=seed):
        response = group.rollouts[0].response
        yield Finished(by_name[group.problem.id], response.text, len(response.token_ids), response.finish_reason)


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
