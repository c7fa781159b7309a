"""Stage switching: response budgets that grow, math before code."""

from dataclasses import replace
from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.types import STEP_OUTPUT
from typing_extensions import override

from acereason.hooks import RolloutCallback
from acereason.types import Problem


class Curriculum(RolloutCallback):
    """Puts each stage's settings in force when its first epoch is planned: temperature, response budget, group size,
    learning rate, and the policy that it starts from. List it first.

    "We begin with math-only RL using a stage-wise response length extension from 8K to 16K, and then to 24K. Next, we
    apply code-only RL with response lengths of 24K and 32K. Finally, ... math-only RL with a 32K response length
    budget" (3.2.3). What a stage leaves null is the model's own setting. Logs stage/index and stage/epoch.
    """

    def __init__(self) -> None:
        self._stage: str | None = None

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._sampling, self._group_size = pl_module.sampling, pl_module.group_size

    @override
    def select_problems(
        self, trainer: pl.Trainer, module: pl.LightningModule, problems: list[Problem]
    ) -> list[Problem]:
        plan = trainer.datamodule.plan
        if plan.stage == self._stage:
            return problems
        if self._stage is None:
            self._learning_rate = module.learning_rate
        self._stage = plan.stage
        if plan.starts_from and plan.stage_start == trainer.global_step:
            module.restart_from(Path(plan.starts_from))
            rank_zero_info(f"stage {plan.stage} starts from {plan.starts_from}")
        self._apply(trainer, module)
        return problems

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: object, batch_idx: int
    ) -> None:
        plan = trainer.datamodule.plan
        index = list(trainer.datamodule.stages).index(plan.stage)
        pl_module.record({"stage/index": float(index), "stage/epoch": float(plan.stage_epoch)})

    def _apply(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        stages, stage = trainer.datamodule.stages, trainer.datamodule.stage
        own = {"temperature": stage.temperature, "max_response_length": stage.max_response_length}
        module.sampling = replace(self._sampling, **{name: value for name, value in own.items() if value is not None})
        module.group_size = stage.group_size or self._group_size
        module.learning_rate = stage.learning_rate or self._learning_rate
        rank_zero_info(
            f"stage {self._stage} ({list(stages).index(self._stage) + 1} of {len(stages)}): responses of up to "
            f"{module.sampling.max_response_length:,} tokens at temperature {module.sampling.temperature:g}, "
            f"learning rate {module.learning_rate:g}"
        )
