"""This callback writes every metric of the run to a file of its own, whatever logger the config names."""

from typing import ClassVar

import lightning.pytorch as pl
from typing_extensions import override

from acereason.modules.base import QwenModule
from acereason.modules.hooks import RolloutCallback
from acereason.runs.files import RunFiles


class Metrics(RolloutCallback):
    """Appends the logged metrics to `metrics.jsonl` in the run's folder, a row for each logging: step, and values by
    name.

    The report and `curves.png` read this file, so that they need no particular logger. Without this callback they read
    TensorBoard's events.
    """

    # why: after what settles rewards and settings, which it records
    place: ClassVar[int] = 70

    @override
    def on_metrics(self, trainer: pl.Trainer, module: QwenModule, metrics: dict[str, float], step: int) -> None:
        # why: `validate` and `test` log into the same hooks, but are not part of the run
        if trainer.training:
            self._write(trainer, step, metrics)

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: QwenModule) -> None:
        # why: SFT's held-out losses never reach `on_metrics`: Lightning averages and logs them by itself
        losses = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("eval/")}
        if trainer.state.fn == "fit" and losses:
            self._write(trainer, trainer.global_step - 1, losses)

    def _write(self, trainer: pl.Trainer, step: int, metrics: dict[str, float]) -> None:
        RunFiles.of(trainer).metrics.append([{"step": step, **metrics}])
