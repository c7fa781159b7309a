"""This callback lets the engine begin with the longest responses, so that none of them is alone at the end."""

from statistics import fmean
from typing import Any, ClassVar

import lightning.pytorch as pl
from typing_extensions import override

from acereason.common.types import Group, Problem
from acereason.modules.grpo import GRPOModule
from acereason.modules.hooks import RolloutCallback
from acereason.processes.distributed import gather


class LongestFirst(RolloutCallback):
    """Lets the engine begin with the prompts whose responses were longest when they were last sampled.

    An engine that can't hold all responses of a step at a time begins some when others end; a long response that begins
    last keeps the rest of the step waiting. The order changes no seed, so responses change by rounding alone. Prompts
    that were never sampled come first.
    """

    # why: where the order of the prompts is settled before the rollouts
    place: ClassVar[int] = 40

    def __init__(self) -> None:
        self.lengths: dict[str, float] = {}
        """Mean response length of each problem's last group, in tokens."""

    @override
    def order_problems(self, trainer: pl.Trainer, module: GRPOModule, problems: list[Problem]) -> list[Problem]:
        # why: an unknown prompt counts as endless, since it may turn out to be long
        return sorted(problems, key=lambda problem: -self.lengths.get(problem.id, float("inf")))

    @override
    def on_rollouts(self, trainer: pl.Trainer, module: GRPOModule, groups: list[Group]) -> None:
        own = [(group.problem.id, fmean(len(r.response.token_ids) for r in group.rollouts)) for group in groups]
        # why: lengths of all ranks, since the next epoch may deal a problem to another rank
        self.lengths |= gather(own)

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"lengths": self.lengths}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.lengths = state_dict["lengths"]
