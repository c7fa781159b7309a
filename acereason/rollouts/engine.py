"""Interface of a rollout engine, and the ids of numbered responses."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from acereason.common.types import Group, Problem, Response, Rollout, Sampling, Verdict
from acereason.models.family import QwenConfig

Place = tuple[str, int]
"""A problem's id and the number of its response."""
Ended = tuple[Problem, int, Response]
"""A problem, and a response to it with its number."""


@dataclass(frozen=True)
class EngineMemory:
    """Estimate of the bytes that an engine needs on one device."""

    weights: float
    cache: float
    """Bytes of the keys and values of all responses that are generated at a time."""
    token: float
    """Bytes of the keys and values of one token."""
    responses: int = 0
    """Responses that it generates at a time at most; 0: it generates none."""
    ranks: int = 1
    """Ranks that share it."""
    sleeps: bool = False
    """Whether the engine frees all of it during the trainer's update."""
    separate: bool = False
    """Whether the engine has a device other than the trainer's."""


class RolloutEngine(ABC):
    """Holds its own copy of the policy's weights and generates responses with it.

    An engine is constructed from its settings alone, cheaply; `start` gives it the model's shape. Its weights come only
    through `update_weights`, so that every engine is fed, and tested, the same way.
    """

    policy_version: int | None = None
    """The global_step whose weights it holds; None before the first sync and after one that failed half way."""

    concurrent: bool = False
    """Whether it generates while the trainer computes, on a device of its own."""
    in_lockstep: bool = False
    """Whether ranks generate together, so that none may break off alone."""
    weights_dtype: torch.dtype = torch.float32
    """Dtype in which it holds and receives its weights."""

    def follow(self, dtype: Literal["float32", "bfloat16"]) -> None:  # noqa: B027  most engines have one dtype
        """Take the trainer's compute dtype if the engine's own was left open."""

    @abstractmethod
    def start(
        self,
        config: QwenConfig,
        tokenizer: PreTrainedTokenizerBase,
        stop_ids: list[int],
        device: torch.device,
        longest: int,
        ranks: int = 1,
    ) -> None:
        """Build the model without weights.

        Args:
            config: the model's configuration.
            tokenizer: turns responses into text.
            stop_ids: end a response, and stay in it as its last token.
            device: the trainer's device.
            longest: prompt and response at most, tokens.
            ranks: processes of the trainer on this machine.
        """

    def check(self, places: list[Place]) -> None:  # noqa: B027  most engines can respond to anything
        """Raise a UserError if it has no response for one of the (problem id, sample); may be called before `start`."""

    def at_once(self, num_rollouts: int) -> int | None:
        """Return how many problems, of `num_rollouts` responses each, it generates together from start to end; None
        where it begins responses whenever others end."""
        return None

    @abstractmethod
    def responses(self, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int) -> Iterator[Ended]:
        """Yield `num_rollouts` responses to each problem, each as soon as it has ended, in any order.

        Response i to a problem is drawn from a seed that depends on (seed, problem.id, i) alone.
        """

    def generate(self, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int) -> Iterator[Group]:
        """Yield each problem's group of `num_rollouts` as soon as it is complete, in any order.

        The rollouts carry no verdict yet: their reward is None.
        """
        groups: dict[str, dict[int, Rollout]] = {}
        for problem, index, response in self.responses(problems, sampling, num_rollouts, seed):
            group = groups.setdefault(problem.id, {})
            group[index] = unjudged(response)
            if len(group) == num_rollouts:
                yield Group(problem, [group[i] for i in range(num_rollouts)])

    @abstractmethod
    def update_weights(self, named_tensors: Iterator[tuple[str, Tensor]], version: int) -> None:
        """Replace all weights by (Hugging Face name, full tensor) pairs of any dtype. Raises if one is missing,
        unknown, misshapen or not finite in the engine's dtype, and then has no policy version: it never generates with
        a mixture."""

    @abstractmethod
    def memory(self, config: QwenConfig, parameters: int, longest: int, group_size: int) -> EngineMemory:
        """Estimate its need for groups of `group_size` sequences of up to `longest` tokens."""

    def identity(self) -> dict[str, str]:
        """Return all that its responses depend on beyond weights, prompts, sampling and seed, up to rounding."""
        return {"name": type(self).__name__, "dtype": str(self.weights_dtype).removeprefix("torch.")}

    def sleep(self) -> None:  # noqa: B027  an engine on a CPU has nothing to free
        """Free the device's memory until `update_weights`, for the trainer's update."""

    def close(self) -> None:  # noqa: B027  an engine without processes of its own has nothing to do
        """Free the engine's memory and end its processes."""


def unjudged(response: Response) -> Rollout:
    """Return a rollout that waits for its verdict."""
    # why: an error, not wrong: a verdict that is forgotten then gives no reward instead of 0
    return Rollout(response, Verdict("error", {"error": "not judged yet"}), reward=None)


def alone(problem: Problem, sample: int) -> Problem:
    """Return a copy of the problem that stands for one numbered response: it has an id, so a seed, of its own.

    Example:
        >>> alone(Problem("aime24/7", "math", "", "204"), 3).id
        'aime24/7#3'
    """
    return replace(problem, id=alone_id(problem.id, sample))


def alone_id(problem: str, sample: int) -> str:
    """Return the id of a problem's numbered response."""
    return f"{problem}#{sample}"


def numbered(name: str) -> Place:
    """Split an id that `alone` made into problem id and number; any other id has number 0."""
    # why: from the right: a problem's own id may have a # in it
    problem, _, sample = name.rpartition("#")
    return (problem, int(sample)) if problem and sample.isdecimal() else (name, 0)
