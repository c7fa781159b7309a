"""This callback draws the run's curves as a picture."""

from typing import ClassVar

import lightning.pytorch as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from typing_extensions import override

from acereason.common.files import save_figure
from acereason.modules.base import QwenModule
from acereason.runs.curves import Curve, read_curves
from acereason.runs.files import RunFiles

_PANELS = {
    "reward": {"reward/mean": "training reward"},
    "entropy": {"policy/entropy": "entropy at temperature T"},
    "response length": {"response/length_mean": "mean tokens"},
    "truncated": {"response/truncated": "share of responses"},
}


class Curves(pl.Callback):
    """Draws `curves.png` in the run's folder when an epoch ends, from the metrics that the run has logged.

    Args:
        title: title above the picture; null takes the name of the run's folder.
    """

    # why: after what writes the metrics that it draws
    place: ClassVar[int] = 130

    def __init__(self, title: str | None = None) -> None:
        self.title = title

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: QwenModule) -> None:
        files = RunFiles.of(trainer)
        if trainer.is_global_zero and trainer.logger is not None:
            # why: a logger may keep values in memory, and without `metrics.jsonl` TensorBoard's file is what is read
            trainer.logger.save()
            stages = list(pl_module.curriculum.stages) if pl_module.curriculum else []
            figure = draw(read_curves(files.folder), stages, self.title or files.folder.name)
            save_figure(files.curves, figure, dpi=130)


def draw(curves: dict[str, Curve], stages: list[str], title: str) -> Figure:
    """Draw four panels over steps, with stages shaded and evaluations with their standard errors.

    Args:
        curves: every metric of the run by its name.
        stages: names of the stages in their order.
        title: title above the picture.
    """
    # why: no pyplot, which keeps every figure open until the process ends
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    figure.suptitle(title)
    for axes, (name, tags) in zip(figure.subplots(2, 2).flat, _PANELS.items(), strict=True):
        _shade_stages(axes, curves.get("stage/index", []), stages if name == "reward" else [])
        for tag, label in tags.items():
            axes.plot(*_columns(curves.get(tag, [])), label=label, linewidth=1.2)
        if name == "reward":
            _draw_evaluations(axes, curves)
            axes.legend(loc="upper left", fontsize=8)
            axes.set_ylim(top=1.05)
        axes.set(title=name, xlabel="step")
        axes.grid(alpha=0.25)
    return figure


def _draw_evaluations(axes: Axes, curves: dict[str, Curve]) -> None:
    for tag, curve in curves.items():
        if tag.startswith("eval/") and tag.endswith("/avg"):
            errors = dict(curves.get(tag.removesuffix("avg") + "stderr", []))
            steps, values = _columns(curve)
            axes.errorbar(
                steps,
                values,
                [errors.get(step, 0.0) for step in steps],
                fmt="o-",
                capsize=3,
                label=f"{tag.split('/')[1]} accuracy",
            )


def _shade_stages(axes: Axes, index: Curve, names: list[str]) -> None:
    for stage in sorted({int(value) for _, value in index}):
        steps = [step for step, value in index if int(value) == stage]
        axes.axvspan(steps[0], steps[-1] + 1, color="0.5", alpha=0.06 + 0.08 * (stage % 2), linewidth=0)
        if names:
            axes.annotate(names[stage], (steps[0], 0.02), xycoords=("data", "axes fraction"), fontsize=7, rotation=90)


def _columns(curve: Curve) -> tuple[list[int], list[float]]:
    return [step for step, _ in curve], [value for _, value in curve]
