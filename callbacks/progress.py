"""This callback shows progress, to people who watch and in logs that are read later."""

import sys
import time
from typing import ClassVar

import lightning.pytorch as pl
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.utilities import rank_zero_info
from typing_extensions import override

from acereason.data.curriculum import Curriculum
from acereason.modules.base import QwenModule

_RL = {
    "reward/mean": "reward {:.3f}",
    "policy/entropy": "entropy {:.3f}",
    "response/length_mean": "length {:,.0f}",
    "response/truncated": "truncated {:.0%}",
}
_SFT = {"policy/loss": "loss {:.4f}", "policy/entropy": "entropy {:.3f}"}


class Progress(RichProgressBar):
    """Shows Lightning's rich progress bar on a terminal, with the curriculum's stage in front; elsewhere (a redirect,
    SLURM) prints a plain line every `every_n_steps` steps, with the time that the stage still takes.

    Args:
        every_n_steps: steps between two plain lines.
        bar: whether to draw the bar; null draws it on a terminal.
    """

    # why: after the evaluation, whose step it shows
    place: ClassVar[int] = 100

    def __init__(self, every_n_steps: int = 10, bar: bool | None = None) -> None:
        super().__init__()
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, not {every_n_steps}")
        # why: in a file a bar would be thousands of lines, which only a terminal writes over each other
        self.every_n_steps, self.bar = every_n_steps, sys.stdout.isatty() if bar is None else bar
        self._since, self._steps = 0.0, 0
        """Time of the last plain line (`perf_counter`), and number of steps since then."""
        if not self.bar:
            self.disable()

    @override
    def enable(self) -> None:
        if self.bar:
            super().enable()

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: QwenModule) -> None:
        super().on_train_start(trainer, pl_module)
        # why: what came before, such as loading, is no part of a step's time
        self._since, self._steps = time.perf_counter(), 0

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: QwenModule, outputs: dict[str, float], batch: object, batch_idx: int
    ) -> None:
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        self._steps += 1
        if not self.bar and trainer.global_step % self.every_n_steps == 0:
            now = time.perf_counter()
            rank_zero_info(line(trainer, pl_module.curriculum, outputs, (now - self._since) / self._steps))
            self._since, self._steps = now, 0

    @override
    def _get_train_description(self, current_epoch: int) -> str:
        # why: Lightning's own shows the last epoch of all, which a curriculum does not know: "Epoch 3/-2"
        return f"epoch {current_epoch}"

    @override
    def get_metrics(
        self, trainer: pl.Trainer, pl_module: QwenModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        metrics = super().get_metrics(trainer, pl_module)
        # why: Lightning's number of the logger's version says nothing beside a run folder that has a name
        metrics.pop("v_num", None)
        stages = pl_module.curriculum
        return {"stage": stages.plan.stage, **metrics} if stages else metrics


def line(trainer: pl.Trainer, stages: Curriculum | None, metrics: dict[str, float], seconds: float) -> str:
    """Return the plain line of a step.

    Args:
        trainer: the trainer after the step.
        stages: the curriculum; None in SFT.
        metrics: metrics of the step.
        seconds: mean wall seconds of a step since the last line, evaluations and checkpoints included.

    Example:
        step 480, math_8k 480/1200: reward 0.512 | entropy 0.301 | length 3,411 | 62.1 s a step | stage ends in 12:25:00
    """
    done, steps, name = _stage(trainer, stages)
    told = [form.format(metrics[metric]) for metric, form in (_RL if name else _SFT).items()]
    told.append(f"{seconds:.3g} s a step")
    told.append(f"{'stage' if name else 'run'} ends in {clock(seconds * (steps - done))}")
    place = f", {name} {done}/{steps}" if name else f"/{steps}"
    return f"step {trainer.global_step}{place}: {' | '.join(told)}"


def _stage(trainer: pl.Trainer, stages: Curriculum | None) -> tuple[int, int, str]:
    """Return the stage's steps so far, its steps at most, and its name. SFT is one stage without a name."""
    if stages is None:
        return trainer.global_step, int(trainer.estimated_stepping_batches), ""
    plan, stage = stages.plan, stages.current
    bounds = [stage.steps] if stage.steps else []
    # why: an upper bound, since the easy filter may shorten the epochs to come
    if stage.epochs:
        epochs = stage.epochs - plan.stage_epoch
        bounds.append(plan.epoch_start - plan.stage_start + epochs * int(trainer.num_training_batches))
    return trainer.global_step - plan.stage_start, min(bounds), plan.stage


def clock(seconds: float) -> str:
    """Format seconds as hours, minutes and seconds: 3725 is 1:02:05."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
