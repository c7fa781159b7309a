"""Epoch-wise removal of easy problems."""

import lightning.pytorch as pl
from lightning.pytorch.utilities.types import STEP_OUTPUT
from typing_extensions import override

from acereason.distributed import gather
from acereason.hooks import RolloutCallback
from acereason.types import Group


class EasyFilter(RolloutCallback):
    """Records problems whose every rollout is correct; stages with `easy_filter: true` leave them out from the next
    epoch on.

    "We remove easy problems that can be fully solved by the previous epoch's checkpoint, i.e., problems for which every
    rollout passes all test cases" (3.2.3, code stage II). The epoch's own rollouts are the evidence. Logs
    stage/filtered (problems left out of this epoch) and stage/remaining.
    """

    @override
    def on_rollouts(self, trainer: pl.Trainer, module: pl.LightningModule, groups: list[Group]) -> None:
        if trainer.datamodule.stage.easy_filter:
            for problem in gather([group.problem.id for group in groups if group.solved]):
                trainer.datamodule.solved[problem] = trainer.datamodule.plan.epoch

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: object, batch_idx: int
    ) -> None:
        data = trainer.datamodule
        remaining, everything = len(data.remaining()), len(data.stage_problems())
        pl_module.log_dict({"stage/remaining": float(remaining), "stage/filtered": float(everything - remaining)})
