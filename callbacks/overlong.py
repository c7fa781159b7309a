"""This callback does overlong filtering: it decides how a response counts that reaches its length budget."""

from typing import ClassVar

import lightning.pytorch as pl
from typing_extensions import override

from acereason.common.types import Group, Rollout
from acereason.data.stage import OverlongPolicy
from acereason.modules.grpo import GRPOModule
from acereason.modules.hooks import RolloutCallback


class Overlong(RolloutCallback):
    """Masks or penalizes truncated responses, by stage.

    "Should we mask the whole sample without assigning any reward (i.e., w/ overlong filtering) or should such overlong
    outputs be penalized with a negative reward (i.e., w/o overlong filtering)?" (4.5.3): masking helps at 8K and 16K,
    is neutral at 24K, and hurts at 32K.

    Args:
        policy: policy of stages that name none. `mask`: a truncated response leaves the loss and its token count.
            `penalize`: its reward becomes `reward`, and it stays in loss and baseline. `soft`: DAPO's linear penalty
            (arXiv 2503.14476, Eq. 13) is added to the reward: 0 until `buffer` before the budget, -`factor` at it.
        in_baseline: under `mask`, whether its reward still counts in the group's mean and standard deviation; false
            reads "without assigning any reward" to the letter.
        reward: reward of a truncated response under `penalize`.
        buffer: length of the penalized end under `soft`, as a share of the response budget.
        factor: penalty at the budget under `soft`.
    """

    # why: before callbacks that read rewards
    place: ClassVar[int] = 50

    def __init__(
        self,
        policy: OverlongPolicy = "mask",
        in_baseline: bool = False,
        reward: float = 0.0,
        buffer: float = 0.2,
        factor: float = 1.0,
    ) -> None:
        if not 0 < buffer <= 1:
            raise ValueError(f"buffer must be a share of the response budget in (0, 1], not {buffer}")
        self.policy, self.in_baseline, self.reward = policy, in_baseline, reward
        self.buffer, self.factor = buffer, factor

    @override
    def on_rollouts(self, trainer: pl.Trainer, module: GRPOModule, groups: list[Group]) -> None:
        policy = module.curriculum.current.overlong or self.policy
        for group in groups:
            for rollout in group.rollouts:
                self.apply(policy, rollout, module.sampling.max_response_length)

    def apply(self, policy: OverlongPolicy, rollout: Rollout, budget: int) -> None:
        """Change how one rollout counts, in place.

        Args:
            policy: the stage's, or this callback's own.
            rollout: a judged rollout.
            budget: the response budget in tokens.
        """
        # why: "without assigning any reward", read to the letter, leaves the group's mean and deviation as well
        if policy == "mask" and rollout.response.truncated:
            rollout.in_loss, rollout.in_baseline = False, self.in_baseline
        elif policy == "penalize" and rollout.response.truncated:
            rollout.reward = self.reward
        # why: an error verdict has no reward, and a penalty would make one of a failure of the verifier
        elif policy == "soft" and rollout.reward is not None:
            rollout.reward += soft_penalty(len(rollout.response.token_ids), budget, self.buffer * budget, self.factor)


def soft_penalty(length: int, budget: int, buffer: float, factor: float = 1.0) -> float:
    """Return DAPO's penalty for a response of `length` tokens: 0 up to `budget - buffer` tokens, then linearly down to
    -factor at `budget`, and on at the same slope beyond it."""
    return -factor * max(0.0, (length - (budget - buffer)) / buffer)
