"""Epoch-wise removal of easy problems."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.types import STEP_OUTPUT
from typing_extensions import override

from acereason.distributed import gather, rank, world_size
from acereason.files import write_atomically
from acereason.hooks import RolloutCallback, run_folder
from acereason.seeds import derive_seed
from acereason.types import Group, Problem


@dataclass
class Filtered:
    """One problem that a stage leaves out."""

    stage: str
    epoch: int
    """Epoch of the stage whose rollouts are the evidence; -1: rolled out before its first."""
    problem: str
    why: str


class EasyFilter(RolloutCallback):
    """Leaves problems out of a stage that the policy solves already.

    With `easy_filter: true`: "we remove easy problems that can be fully solved by the previous epoch's checkpoint,
    i.e., problems for which every rollout passes all test cases" (3.2.3, code stage II); the epoch's own rollouts are
    the evidence. With `screen`: problems whose rollouts by the policy that starts the stage are correct often enough
    (3.2.3, math stages 3 and 4, which keep what is not solved by every rollout). List it after Curriculum.

    Writes `filtered.jsonl` in the run's folder, a line for each problem left out: stage, epoch, problem, why. Logs
    stage/filtered (problems left out of this epoch) and stage/remaining.
    """

    def __init__(self) -> None:
        self.filtered: list[Filtered] = []
        self.screened: list[str] = []
        """Stages whose problems have been screened."""

    @override
    def select_problems(
        self, trainer: pl.Trainer, module: pl.LightningModule, problems: list[Problem]
    ) -> list[Problem]:
        plan, stage = trainer.datamodule.plan, trainer.datamodule.stage
        if stage.screen is not None and plan.stage not in self.screened:
            self._screen(module, plan.stage, stage.screen, problems)
        self._write(trainer)
        out = {row.problem for row in self.filtered if row.stage == plan.stage and row.epoch < plan.stage_epoch}
        return [problem for problem in problems if problem.id not in out]

    @override
    def on_rollouts(self, trainer: pl.Trainer, module: pl.LightningModule, groups: list[Group]) -> None:
        if trainer.datamodule.stage.easy_filter:
            plan = trainer.datamodule.plan
            why = f"all {module.group_size} rollouts of step {trainer.global_step} correct"
            solved = gather([group.problem.id for group in groups if group.solved])
            self.filtered += [Filtered(plan.stage, plan.stage_epoch, problem, why) for problem in solved]

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: object, batch_idx: int
    ) -> None:
        data = trainer.datamodule
        remaining, everything = len(data.problems), len(data.problems_of(data.plan.stage))
        pl_module.record({"stage/remaining": float(remaining), "stage/filtered": float(everything - remaining)})

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._write(trainer)

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"filtered": [asdict(row) for row in self.filtered], "screened": self.screened}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.filtered = [Filtered(**row) for row in state_dict["filtered"]]
        self.screened = state_dict["screened"]

    def _screen(self, module: pl.LightningModule, stage: str, limit: float, problems: list[Problem]) -> None:
        """Roll out every problem once, each rank its share, and record those at or above the limit."""
        module.push_weights()
        seed = derive_seed(module.seed, "screen", stage)
        groups = module.rollout(problems[rank() :: world_size()], module.sampling, module.group_size, seed)
        easy = gather([(group.problem.id, group.correct) for group in groups if group.pass_rate >= limit])
        why = "{} of {} rollouts correct by the policy that starts the stage"
        self.filtered += [Filtered(stage, -1, problem, why.format(n, module.group_size)) for problem, n in sorted(easy)]
        self.screened.append(stage)
        rank_zero_info(f"stage {stage}: screened {len(problems):,} problems, {len(easy):,} are too easy and left out")

    def _write(self, trainer: pl.Trainer) -> None:
        path = run_folder(trainer) / "filtered.jsonl"
        if trainer.is_global_zero:
            write_atomically(path, "".join(json.dumps(asdict(row)) + "\n" for row in self.filtered))
