"""Benchmarks while training."""

from contextlib import nullcontext
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.utilities.types import STEP_OUTPUT
from typing_extensions import override

from acereason.signals import Interrupted


class Evaluation(pl.Callback):
    """Evaluates before the first update, every so many steps, and at each stage's end. List it after WeightSync.

    The step's checkpoint comes after it, so that a resumed run evaluates neither twice nor never; and it draws from
    seeds of its own, so that training goes the same way with and without it. A signal ends it at once, and the run
    that resumes from the step's checkpoint begins with it; but for one at an epoch's last step in a stage with
    `patience`, which decides whether the stage ends there.

    Args:
        every_n_steps: steps between two evaluations.
        benchmarks: names under data.benchmarks; null takes all.
    """

    def __init__(self, every_n_steps: int, benchmarks: list[str] | None = None) -> None:
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, not {every_n_steps}")
        self.every_n_steps, self.benchmarks = every_n_steps, benchmarks
        self._broken_off = False

    @property
    @override
    def state_key(self) -> str:
        return self._generate_state_key(every_n_steps=self.every_n_steps, benchmarks=self.benchmarks)

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.global_step == 0 or self._broken_off:
            pl_module.evaluate(self.benchmarks)
            self._broken_off = False

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: object, batch_idx: int
    ) -> None:
        if trainer.global_step % self.every_n_steps == 0 or trainer.datamodule.stage_ended:
            try:
                with pl_module.unbroken() if _may_end_stage(trainer) else nullcontext():
                    pl_module.evaluate(self.benchmarks)
            except Interrupted:  # the checkpoint comes first, and ends the run
                self._broken_off = True

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"broken_off": self._broken_off}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._broken_off = state_dict["broken_off"]


def _may_end_stage(trainer: pl.Trainer) -> bool:
    """Whether it depends on this evaluation alone if the epoch that ends now is its stage's last."""
    data = trainer.datamodule
    return not data.stage_ended and trainer.is_last_batch and data.stage.patience is not None
