"""This callback switches stages: response budgets grow, and math comes before code."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import lightning.pytorch as pl
from lightning.pytorch.utilities import rank_zero_info
from typing_extensions import override

from acereason.common.types import Problem
from acereason.data.stage import Stage
from acereason.modules.grpo import GRPOModule
from acereason.modules.hooks import RolloutCallback, run_folder


class Curriculum(RolloutCallback):
    """Puts each stage's settings in force when it begins: temperature, response budget, group size, learning rate, and
    the policy that it starts from. Settings with a value for each epoch change when an epoch begins.

    "We begin with math-only RL using a stage-wise response length extension from 8K to 16K, and then to 24K. Next, we
    apply code-only RL with response lengths of 24K and 32K. Finally, ... math-only RL with a 32K response length
    budget" (3.2.3). A setting that a stage leaves null is the model's own. Logs stage/index and stage/epoch.
    """

    # why: before all others: what a stage sets is in force when they act
    place: ClassVar[int] = 10

    def __init__(self) -> None:
        self._epoch: int | None = None
        """The epoch whose settings were last put in force; None before the first."""

    @override
    def setup(self, trainer: pl.Trainer, pl_module: GRPOModule, stage: str) -> None:
        # why: stages overwrite the module's settings; a later stage that names none goes back to the model's own
        self._sampling, self._group_size = pl_module.sampling, pl_module.group_size

    @override
    def on_stage_start(self, trainer: pl.Trainer, module: GRPOModule, problems: list[Problem]) -> None:
        plan = module.curriculum.plan
        # why: not in `setup`: the module learns its rate from the optimizer, which is made after it
        if self._epoch is None:
            self._learning_rate = module.learning_rate
        # why: a run that resumes within the stage has trained on from that policy already
        if plan.starts_from and plan.stage_start == trainer.global_step:
            policy = found(trainer, Path(plan.starts_from))
            module.restart_from(policy)
            rank_zero_info(f"stage {plan.stage} starts from {policy}")
        self._apply(module)

    @override
    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: GRPOModule) -> None:
        stages = pl_module.curriculum
        # why: the stage's start has put the settings of its epoch in force already
        if stages.plan.epoch != self._epoch and _changes(stages.current, stages.plan.stage_epoch):
            self._apply(pl_module)

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: GRPOModule, outputs: dict[str, float], batch: object, batch_idx: int
    ) -> None:
        stages = pl_module.curriculum
        pl_module.record({"stage/index": float(stages.index), "stage/epoch": float(stages.plan.stage_epoch)})

    def _apply(self, module: GRPOModule) -> None:
        stages, stage, epoch = module.curriculum, module.curriculum.current, module.curriculum.plan.stage_epoch
        self._epoch = stages.plan.epoch
        module.sampling = replace(
            self._sampling,
            temperature=stage.temperature_in(epoch) or self._sampling.temperature,
            max_response_length=stage.max_response_length or self._sampling.max_response_length,
        )
        module.group_size = stage.group_size_in(epoch) or self._group_size
        module.learning_rate = stage.learning_rate or self._learning_rate
        rank_zero_info(
            f"stage {stages.plan.stage} ({stages.index + 1} of {len(stages.stages)}): responses of up to "
            f"{module.sampling.max_response_length:,} tokens, {module.group_size} of a prompt at temperature "
            f"{module.sampling.temperature:g}, learning rate {module.learning_rate:g}"
        )


def _changes(stage: Stage, epoch: int) -> bool:
    """Return whether temperature or group size differ from those of the stage's epoch before."""
    now, before = ((stage.temperature_in(n), stage.group_size_in(n)) for n in (epoch, max(0, epoch - 1)))
    return now != before


def found(trainer: pl.Trainer, policy: Path) -> Path:
    """Return the path at which an exported policy lies now; the recorded path where it is nowhere else."""
    # why: the plan in a checkpoint records an absolute path, and the run's folder may have been moved or copied since
    homes = [run_folder(trainer)]
    if trainer.ckpt_path:
        homes.append(Path(trainer.ckpt_path).parents[1])
    there = (home / policy.parent.name / policy.name for home in homes)
    return next((path for path in there if path.exists()), policy)
