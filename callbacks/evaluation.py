"""This callback evaluates benchmarks while training."""

from contextlib import nullcontext
from typing import Any, ClassVar

import lightning.pytorch as pl
from typing_extensions import override

from acereason.data.curriculum import Curriculum
from acereason.modules.grpo import GRPOModule
from acereason.processes.signals import Interrupted


class Evaluation(pl.Callback):
    """Evaluates before the first update, every `every_n_steps` steps and at each stage's end.

    The step's checkpoint is saved after the evaluation, so that a resumed run neither repeats nor misses it. The
    evaluation draws from seeds of its own, so that training goes the same way with and without it. A signal breaks an
    evaluation off, and the run that resumes from the step's checkpoint begins with it. One evaluation is finished
    first: that of an epoch's last step in a stage with `patience`, which decides whether the stage ends there.

    Args:
        every_n_steps: steps between two evaluations.
        benchmarks: names under data.benchmarks; null takes all.
    """

    # why: after WeightSync, whose policy it samples
    place: ClassVar[int] = 80

    def __init__(self, every_n_steps: int, benchmarks: list[str] | None = None) -> None:
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, not {every_n_steps}")
        self.every_n_steps, self.benchmarks = every_n_steps, benchmarks
        self._broken_off = False

    @property
    @override
    def state_key(self) -> str:
        # why: a config may list the callback twice, and Lightning keeps the state of one class under one key
        return self._generate_state_key(every_n_steps=self.every_n_steps, benchmarks=self.benchmarks)

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: GRPOModule) -> None:
        if trainer.global_step == 0 or self._broken_off:
            pl_module.evaluate(self.benchmarks)
            self._broken_off = False

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: GRPOModule, outputs: dict[str, float], batch: object, batch_idx: int
    ) -> None:
        if trainer.global_step % self.every_n_steps == 0 or pl_module.curriculum.ended(trainer.global_step):
            try:
                with pl_module.unbroken() if _may_end_stage(trainer, pl_module.curriculum) else nullcontext():
                    pl_module.evaluate(self.benchmarks)
            # why: not raised from here: Checkpoints comes after this callback, saves the step and then ends the run
            except Interrupted:
                self._broken_off = True

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"broken_off": self._broken_off}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._broken_off = state_dict["broken_off"]


def _may_end_stage(trainer: pl.Trainer, stages: Curriculum) -> bool:
    """Return whether this evaluation alone decides if the epoch that ends now is its stage's last."""
    return not stages.ended(trainer.global_step) and trainer.is_last_batch and stages.current.patience is not None
