"""Draws docs/distillation.png from the runs of conf/distillation.yaml.

python -m docs.distillation RUNS OUTPUT
"""

import json
import sys
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from acereason.runs.curves import Curve, read_curves

RUNS = {"grpo": ("verdicts alone (GRPO)", "tab:orange"), "distill": ("teacher alone", "tab:blue")}
"""{run: (what it learns from, colour)}."""
ACCURACY, ERROR, KL = "eval/heldout/avg", "eval/heldout/stderr", "distill/kl"


def draw(folder: Path) -> Figure:
    """Return the picture: accuracy on held-out sums, and the divergence from the teacher, over steps."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, (label, colour) in RUNS.items():
        curves = read_curves(folder / name)
        _line(left, curves[ACCURACY], label, colour, dict(curves[ERROR]))
        _line(right, curves[KL], label, colour)
    left.axhline(teacher_accuracy(folder), color="grey", linestyle="--", label="the teacher")
    left.set(title="Accuracy on held-out sums", xlabel="updates", ylim=(0.3, 1))
    right.set(title="Reverse KL divergence from the teacher", xlabel="updates", ylabel="nats a token", ylim=0)
    left.legend(loc="upper left", bbox_to_anchor=(0, 0.8), frameon=False)
    return figure


def _line(axes: Axes, curve: Curve, label: str, colour: str, errors: dict[int, float] | None = None) -> None:
    steps, values = zip(*curve, strict=True)
    bars = None if errors is None else [errors[step] for step in steps]
    axes.errorbar(steps, values, yerr=bars, label=label, color=colour, capsize=2)


def teacher_accuracy(folder: Path) -> float:
    """Return the teacher's accuracy on the held-out sums."""
    summary = json.loads((folder / "measured-validate" / "summary.json").read_text())
    return summary["evaluations"][0]["avg"]


def table(folder: Path) -> str:
    """Return the accuracies as rows: update, then each run's."""
    curves = [dict(read_curves(folder / name)[ACCURACY]) for name in RUNS]
    return "\n".join(f"| {step} | " + " | ".join(f"{100 * c[step]:.0f} %" for c in curves) + " |" for step in curves[0])


if __name__ == "__main__":
    runs, output = map(Path, sys.argv[1:])
    draw(runs).savefig(output, dpi=120)
    print(table(runs))
