"""What loggers, profilers and callbacks learn of a module's steps, and the end of them by a signal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping

from acereason.data.curriculum import Curriculum
from acereason.modules.hooks import RolloutCallback, callbacks_of
from acereason.processes.tensors import end_if_interrupted


class RecordingModule(pl.LightningModule):
    """A module whose steps are timed in sections, and whose metrics go to loggers and callbacks at once."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, float] = {}
        """Wall seconds of each section of the current step, by name."""

    @property
    def curriculum(self) -> Curriculum | None:
        """The stages of RL, and where the run is in them; None in SFT and in evaluations."""
        return None

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Lightning's EarlyStopping takes its patience from the checkpoint; it is the config's that counts."""
        states = checkpoint.get("callbacks", {})  # a checkpoint of weights alone has none
        for callback in callbacks_of(self.trainer, EarlyStopping):
            if callback.state_key in states:
                states[callback.state_key]["patience"] = callback.patience

    def record(self, metrics: dict[str, float]) -> None:
        """Log metrics of the step just taken, at once.

        `self.log` writes after the step's checkpoint, and a run that is killed between the two would lose them.
        """
        step = self.trainer.global_step - 1
        self._offer(metrics)
        if step % self.trainer.log_every_n_steps == 0:
            self.log_now(metrics, step)

    def log_now(self, metrics: dict[str, float], step: int) -> None:
        """Give metrics to the loggers and to the callbacks."""
        self._offer(metrics)
        for logger in self.trainer.loggers:
            logger.log_metrics(metrics, step=step)
        for callback in self.rollout_callbacks():
            callback.on_metrics(self.trainer, self, metrics, step)

    def _offer(self, metrics: dict[str, float]) -> None:
        """Show the metrics to Lightning's own callbacks that monitor some: EarlyStopping, ModelCheckpoint."""
        self.trainer.callback_metrics.update({name: torch.tensor(value) for name, value in metrics.items()})

    def rollout_callbacks(self) -> list[RolloutCallback]:
        """Return the callbacks that have our hooks, in the YAML's order."""
        return callbacks_of(self.trainer, RolloutCallback)

    def callback_names(self) -> set[str]:
        """Return the names of the classes of the trainer's callbacks, base classes included."""
        return {
            kind.__name__ for callback in callbacks_of(self.trainer, pl.Callback) for kind in type(callback).__mro__
        }

    def end_if_interrupted(self) -> None:
        """Between two parts of training, on every rank: end all of them where one has had a signal."""
        if self.trainer.state.fn == "fit":
            end_if_interrupted(self.device)

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Time a part of the step, for the log and for Lightning's profilers."""
        start = time.perf_counter()
        with self.trainer.profiler.profile(f"[acereason]{name}"):
            yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
