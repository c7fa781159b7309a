"""Batch arithmetic of a curriculum: prompts, responses, tokens and updates of each stage's steps."""

from dataclasses import dataclass
from typing import Protocol

from acereason.algorithm.clipping import OffPolicy
from acereason.common.types import Sampling
from acereason.data.rl import RLData
from acereason.data.stage import values_of


class Settings(Protocol):
    """The settings of a GRPO module on which the arithmetic depends."""

    sampling: Sampling
    group_size: int
    micro_batch_tokens: int
    off_policy: OffPolicy | None


@dataclass
class Arithmetic:
    """One stage's batch arithmetic. A step is a batch of rollouts."""

    problems: int
    """Problems of an epoch, before any are filtered."""
    prompts: int
    """Prompts of a step, over all ranks."""
    group_size: int
    """Rollouts of a prompt, the largest of the stage's epochs."""
    budget: int
    """Response budget, tokens."""
    longest: int
    """Longest prompt and budget, tokens."""
    steps: int
    """Steps of the stage at most."""
    ranks: int
    micro_batch_tokens: int
    refill: int = 0
    """Rounds at most of further prompts for groups without a gradient."""
    updates: int = 1
    """Updates of a step."""

    @property
    def rollouts(self) -> int:
        """Responses of a step, over all ranks."""
        return self.prompts * self.group_size

    @property
    def further(self) -> int:
        """Responses beyond those of a step by which it is refilled at most, over all ranks."""
        return self.refill * self.rollouts

    @property
    def rollouts_per_rank(self) -> int:
        """Responses of a step on the rank that has the most, where all are equally long."""
        return -(-self.prompts // self.ranks) * self.group_size

    @property
    def tokens(self) -> int:
        """Response tokens of a step at most: every response at its budget."""
        return self.rollouts * self.budget

    @property
    def most_tokens(self) -> int:
        """The same with all by which the step may be refilled."""
        return self.tokens + self.further * self.budget

    @property
    def micro_batches(self) -> int:
        """Forward passes of a step on a rank at most."""
        return -(-self.rollouts_per_rank // max(1, self.micro_batch_tokens // self.longest))

    def __str__(self) -> str:
        share = f" ({self.rollouts_per_rank} a rank)" if self.ranks > 1 else ""
        updates = "one update" if self.updates == 1 else f"{self.updates} updates"
        further = f"; by refill up to {self.further:,} more responses" if self.refill else ""
        return (
            f"{self.prompts} of {self.problems:,} prompts x {self.group_size} = {self.rollouts:,} responses{share}, up "
            f"to {self.tokens:,} tokens in up to {self.micro_batches:,} micro batches a rank, {updates}{further}; "
            f"{self.steps:,} steps"
        )


def arithmetic(module: Settings, data: RLData, name: str, ranks: int) -> Arithmetic:
    """Return the named stage's batch arithmetic."""
    stage, problems = data.stages[name], data.count_problems(name)
    # why: an epoch drops its incomplete last step, but a data set smaller than one step still makes one
    epochs = stage.epochs and stage.epochs * max(1, problems // stage.prompts_per_step)
    budget = stage.max_response_length or module.sampling.max_response_length
    return Arithmetic(
        problems=problems,
        prompts=min(stage.prompts_per_step, problems),
        group_size=max(values_of(stage.group_size), default=module.group_size),
        budget=budget,
        longest=max(len(problem.prompt_ids) for problem in data.problems_of(name)) + budget,
        steps=min(steps for steps in (stage.steps, epochs) if steps),
        ranks=ranks,
        micro_batch_tokens=module.micro_batch_tokens,
        refill=stage.refill,
        updates=module.off_policy.updates if module.off_policy else 1,
    )


def explain(module: Settings, data: RLData, ranks: int) -> str:
    """Describe the curriculum in one line for each stage."""
    lines = [f"{name}: {arithmetic(module, data, name, ranks)}" for name in data.stages]
    return "\n".join(["one step of each stage:", *lines])
