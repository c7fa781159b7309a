"""This callback writes down the result of every group of rollouts, in numbers."""

from collections import Counter
from typing import Any, ClassVar

import lightning.pytorch as pl
from typing_extensions import override

from acereason.common.files import append_rows, keep_rows_before
from acereason.common.types import Group
from acereason.modules.grpo import GRPOModule
from acereason.modules.hooks import RolloutCallback, run_folder
from acereason.processes.distributed import gather

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
    def on_train_start(self, trainer: pl.Trainer, pl_module: GRPOModule) -> None:
        path = run_folder(trainer) / "groups.jsonl"
        if trainer.is_global_zero:
            # why: steps after the checkpoint are taken again by a resumed run, and their groups would count twice
            keep_rows_before(path, trainer.global_step)

    @override
    def on_rollouts(self, trainer: pl.Trainer, module: GRPOModule, groups: list[Group]) -> None:
        place = {"stage": module.curriculum.plan.stage, "step": trainer.global_step}
        folder, rows = run_folder(trainer), gather([place | row_of(group) for group in groups])
        if trainer.is_global_zero:
            append_rows(folder / "groups.jsonl", rows)


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
