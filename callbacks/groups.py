"""This callback writes down the result of every group of rollouts, in numbers."""

from collections import Counter
from typing import Any, ClassVar

import lightning.pytorch as pl
from typing_extensions import override

from acereason.common.types import Group
from acereason.modules.grpo import GRPOModule
from acereason.modules.hooks import RolloutCallback
from acereason.processes.distributed import gather
from acereason.runs.files import RunFiles

_STATEMENT = 160
"""Characters of a problem's statement by which a reader recognizes it."""


class Groups(RolloutCallback):
    """Writes `groups.jsonl` in the run's folder, a row for each group of every rank: stage, step, problem with the
    beginning of its statement, numbers of correct, wrong and error verdicts and their reasons, number of truncated
    rollouts, and lengths in tokens.

    Pass rates of problems, over the run and by stage, are sums over its rows; the report shows them.
    """

    # why: after what settles rewards and settings, which it records
    place: ClassVar[int] = 70

    @override
    def on_rollouts(self, trainer: pl.Trainer, module: GRPOModule, groups: list[Group]) -> None:
        place = {"stage": module.curriculum.plan.stage, "step": trainer.global_step}
        RunFiles.of(trainer).groups.append(gather([place | row_of(group) for group in groups]))


def row_of(group: Group) -> dict[str, Any]:
    """Return the row of a group in `groups.jsonl`, without stage and step."""
    verdicts = [rollout.verdict for rollout in group.rollouts]
    statuses = Counter(verdict.status for verdict in verdicts)
    why = Counter(f"{verdict.status}: {verdict.kind}" for verdict in verdicts)
    return {
        "problem": group.problem.id,
        "statement": group.problem.statement[:_STATEMENT],
        **{status: statuses[status] for status in ("correct", "wrong", "error")},
        "why": dict(why),
        "truncated": sum(rollout.response.truncated for rollout in group.rollouts),
        "lengths": [len(rollout.response.token_ids) for rollout in group.rollouts],
    }
