"""Checkpoints by step that resume exactly."""

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.types import STEP_OUTPUT
from typing_extensions import override


class StepCheckpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint, except that it skips an epoch's last batch.

    Lightning 2.6.6 drops the first batches of the next epoch when it resumes from a checkpoint of an epoch's last batch
    and the next epoch is longer. A second ModelCheckpoint with `save_on_train_epoch_end: true` covers that batch.
    """

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: object, batch_idx: int
    ) -> None:
        if not trainer.is_last_batch:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
