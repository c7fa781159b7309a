"""Stage switching: response budgets that grow, math before code."""

from dataclasses import replace

import lightning.pytorch as pl
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.types import STEP_OUTPUT
from typing_extensions import override

from acereason.data.rl import RLData


class Curriculum(pl.Callback):
    """Puts each stage's settings in force: temperature, response budget, group size, learning rate.

    "We begin with math-only RL using a stage-wise response length extension from 8K to 16K, and then to 24K. Next, we
    apply code-only RL with response lengths of 24K and 32K. Finally, ... math-only RL with a 32K response length
    budget" (3.2.3). What a stage leaves null is the model's own setting. Logs stage/index and stage/epoch.
    """

    def __init__(self) -> None:
        self._stage: str | None = None

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage == "fit":
            self._sampling, self._group_size = pl_module.sampling, pl_module.group_size

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._learning_rate = pl_module.learning_rate
        self._enter(trainer, pl_module)

    @override
    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._enter(trainer, pl_module)

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: object, batch_idx: int
    ) -> None:
        plan = trainer.datamodule.plan
        index = list(trainer.datamodule.stages).index(plan.stage)
        pl_module.log_dict({"stage/index": float(index), "stage/epoch": float(plan.stage_epoch)})

    def _enter(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        data, plan, stage = trainer.datamodule, trainer.datamodule.plan, trainer.datamodule.stage
        if plan.stage == self._stage:
            return
        self._stage = plan.stage
        own = {"temperature": stage.temperature, "max_response_length": stage.max_response_length}
        module.sampling = replace(self._sampling, **{name: value for name, value in own.items() if value is not None})
        module.group_size = stage.group_size or self._group_size
        module.learning_rate = stage.learning_rate or self._learning_rate
        rank_zero_info(self.announcement(data, module))

    def announcement(self, data: RLData, module: pl.LightningModule) -> str:
        """What begins, in one line."""
        stage, sampling = data.stage, module.sampling
        number, prompts = (
            list(data.stages).index(data.plan.stage) + 1,
            min(stage.prompts_per_step, len(data.remaining())),
        )
        return (
            f"stage {data.plan.stage} ({number} of {len(data.stages)}): {stage.steps} steps of {prompts} prompts "
            f"x {module.group_size} rollouts, up to {sampling.max_response_length} tokens "
            f"at temperature {sampling.temperature:g}, learning rate {module.learning_rate:g}"
        )
