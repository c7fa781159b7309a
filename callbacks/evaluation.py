"""Benchmarks while training."""

import lightning.pytorch as pl
from lightning.pytorch.utilities.types import STEP_OUTPUT
from typing_extensions import override


class Evaluation(pl.Callback):
    """Evaluates before the first update, every so many steps, and at each stage's end. List it after WeightSync.

    The step's checkpoint comes after it, so that a resumed run evaluates neither twice nor never; and it draws from
    seeds of its own, so that training goes the same way with and without it.

    Args:
        every_n_steps: steps between two evaluations.
        benchmarks: names under data.benchmarks; null takes all.
    """

    def __init__(self, every_n_steps: int, benchmarks: list[str] | None = None) -> None:
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, not {every_n_steps}")
        self.every_n_steps, self.benchmarks = every_n_steps, benchmarks

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.global_step == 0:
            pl_module.evaluate(self.benchmarks)

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: object, batch_idx: int
    ) -> None:
        if trainer.global_step % self.every_n_steps == 0 or trainer.datamodule.stage_ended:
            pl_module.evaluate(self.benchmarks)
