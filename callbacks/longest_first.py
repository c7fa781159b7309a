"""This callback remembers how long responses were, so that ranks get like shares of a step, the longest first."""

from math import inf
from statistics import fmean
from typing import Any, ClassVar

import lightning.pytorch as pl
from typing_extensions import override

from acereason.common.types import Group, Problem
from acereason.modules.grpo import GRPOModule
from acereason.modules.hooks import RolloutCallback
from acereason.processes.distributed import gather


class LongestFirst(RolloutCallback):
    """Expects responses to a prompt to be as long as when it was last sampled: ranks get about as many expected tokens,
    and an engine begins with the longest.

    An engine that can't hold all responses of a step at a time begins some when others end; a long response that begins
    last keeps the rest of the step waiting. The order changes no seed, so responses change by rounding alone. Prompts
    that were never sampled come first, and count as the longest.
    """

    # why: where the order of the prompts is settled before the rollouts
    place: ClassVar[int] = 40

    def __init__(self) -> None:
        self.lengths: dict[str, float] = {}
        """Mean response length of each problem's last group, in tokens."""

    @override
    def expected_lengths(self, trainer: pl.Trainer, module: GRPOModule, problems: list[Problem]) -> list[float]:
        return [self.lengths.get(problem.id, inf) for problem in problems]

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
