"""This callback leaves easy problems out, epoch by epoch."""

import re
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import lightning.pytorch as pl
from lightning.pytorch.utilities import rank_zero_info
from typing_extensions import override

from acereason.common.seeds import derive_seed
from acereason.common.types import Group, Problem
from acereason.data.stage import Stage
from acereason.modules.grpo import GRPOModule
from acereason.modules.hooks import RolloutCallback
from acereason.processes.distributed import gather
from acereason.runs.files import RunFiles


@dataclass
class Filtered:
    """A problem that a stage leaves out, with the reason."""

    stage: str
    epoch: int
    """Epoch of the stage whose rollouts are the evidence; -1 where the screening before its first epoch is."""
    problem: str
    why: str


def kept_stages(stages: dict[str, Stage], name: str) -> set[str]:
    """Return the earlier stages whose left-out problems the named stage leaves out too.

    Args:
        stages: the stages in their order.
        name: one of them.
    """
    names = list(stages)
    before = names[: names.index(name)]
    kept: set[str] = set()
    while before and stages[name].keep_filtered:
        name = before.pop()
        kept.add(name)
    return kept


class EasyFilter(RolloutCallback):
    """Leaves out of a stage the problems that the policy solves already.

    A stage with `easy_filter: true` follows the sentence "we remove easy problems that can be fully solved by the
    previous epoch's checkpoint, i.e., problems for which every rollout passes all test cases" (3.2.3, code stage II);
    the rollouts of the stage's earlier epochs are the evidence. A stage with `screen: s` leaves out the problems of
    which the policy that starts the stage solves at least a share s of its rollouts (3.2.3, math stages 3 and 4, which
    keep the problems that are not solved by every rollout). A stage with `keep_filtered` also leaves out the problems
    that the stage before it left out.

    Writes `filtered.jsonl` in the run's folder, a line for each problem left out: stage, epoch, problem, why. Logs
    stage/filtered (problems left out of this epoch) and stage/remaining.
    """

    # why: after Curriculum and WeightSync, since its screening generates
    place: ClassVar[int] = 60

    def __init__(self) -> None:
        self.filtered: list[Filtered] = []
        self.screened: dict[str, dict[str, list[int]]] = {}
        """{stage: {problem: [correct rollouts, rollouts]}}, for the problems that a screening saw solved."""

    @override
    def on_stage_start(self, trainer: pl.Trainer, module: GRPOModule, problems: list[Problem]) -> None:
        name, stage, stages = module.curriculum.plan.stage, module.curriculum.current, module.curriculum.stages
        if stage.screen is not None and name not in self.screened:
            self._screen(module, name, stage.screen, problems)
        before = kept_stages(stages, name)
        # why: the counts are in the checkpoint, the limit is not: a resumed run filters by the `screen` of its config
        for each in [*filter(before.__contains__, stages), name]:
            self._apply_limit(each, stages[each].screen)

    @override
    def select_problems(self, trainer: pl.Trainer, module: GRPOModule, problems: list[Problem]) -> list[Problem]:
        plan, stages = module.curriculum.plan, module.curriculum.stages
        before = kept_stages(stages, plan.stage)
        # why: only earlier epochs count, since a run that resumes within an epoch must plan it as it was planned before
        rows = [row for row in self.filtered if row.stage == plan.stage and row.epoch < plan.stage_epoch]
        rows += [row for row in self.filtered if row.stage in before]
        out = {row.problem for row in rows if row.epoch < 0 or stages[row.stage].easy_filter}
        return [problem for problem in problems if problem.id not in out]

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: GRPOModule) -> None:
        # why: not when the first epoch is planned: the run's folder has not begun then
        self._write(trainer)

    @override
    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: GRPOModule) -> None:
        self._write(trainer)

    @override
    def on_rollouts(self, trainer: pl.Trainer, module: GRPOModule, groups: list[Group]) -> None:
        if module.curriculum.current.easy_filter:
            plan = module.curriculum.plan
            why = f"all {module.group_size} rollouts of step {trainer.global_step} correct"
            # why: every rank plans the epoch of all problems, so each must know what the others' rollouts solved
            solved = gather([group.problem.id for group in groups if group.solved])
            self.filtered += [Filtered(plan.stage, plan.stage_epoch, problem, why) for problem in solved]

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: GRPOModule, outputs: dict[str, float], batch: object, batch_idx: int
    ) -> None:
        data = pl_module.data
        remaining, everything = len(data.problems), len(data.problems_of(data.plan.stage))
        pl_module.record({"stage/remaining": float(remaining), "stage/filtered": float(everything - remaining)})

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: GRPOModule) -> None:
        self._write(trainer)

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"filtered": [asdict(row) for row in self.filtered], "screened": self.screened}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.filtered = [Filtered(**row) for row in state_dict["filtered"]]
        # why: older checkpoints list the names of the screened stages without counts
        screened = state_dict["screened"]
        self.screened = screened if isinstance(screened, dict) else {stage: self._counts(stage) for stage in screened}

    def _counts(self, stage: str) -> dict[str, list[int]]:
        """Return {problem: [correct rollouts, rollouts]}, read from the reasons that a screened stage has written."""
        rows = [row for row in self.filtered if row.stage == stage and row.epoch < 0]
        return {row.problem: [int(count) for count in re.findall(r"\d+", row.why)] for row in rows}

    def _screen(self, module: GRPOModule, stage: str, limit: float, problems: list[Problem]) -> None:
        """Roll out every problem `group_size` times, each rank its share, and record the problems solved at least once.

        A screening that was killed goes on where it was, in a run that begins, or is resumed, at the same step.
        """
        # why: the first epoch is planned before WeightSync's first push
        module.push_weights()
        # why: a seed of its own, so that a stage's first steps don't draw the responses that it was screened by
        seed = derive_seed(module.seed, "screen", stage)
        judged = module.counted(f"screen-{stage}", problems, module.sampling, module.group_size, seed)
        solved = sorted((row.problem, row.correct, row.responses) for row in judged if row.correct)
        self.screened[stage] = {problem: [correct, responses] for problem, correct, responses in solved}
        easy = sum(correct / responses >= limit for _, correct, responses in solved)
        rank_zero_info(f"stage {stage}: screened {len(problems):,} problems, {easy:,} are too easy and left out")

    def _apply_limit(self, stage: str, limit: float | None) -> None:
        """Replace the rows of a screened stage by the problems at or above the limit that the config has now."""
        rates = {} if limit is None else self.screened.get(stage, {})
        why = "{} of {} rollouts correct by the policy that starts the stage"
        easy = [(problem, why.format(*seen)) for problem, seen in rates.items() if seen[0] / seen[1] >= (limit or 0)]
        others = [row for row in self.filtered if row.stage != stage]
        own = [row for row in self.filtered if row.stage == stage and row.epoch >= 0]
        self.filtered = [*others, *(Filtered(stage, -1, problem, told) for problem, told in easy), *own]

    def _write(self, trainer: pl.Trainer) -> None:
        RunFiles.of(trainer).filtered.replace(map(asdict, self.filtered))
