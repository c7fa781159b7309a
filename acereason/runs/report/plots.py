"""This module makes the plots of a run's curves."""

from dataclasses import replace
from statistics import fmean

from acereason.runs.curves import Curve
from acereason.runs.report.content import Line, Plot
from acereason.runs.report.reading import Run

TIMES = ("time/rollout", "time/reward", "time/teacher", "time/train", "sync/seconds")
"""Metrics of the sections of a step's time."""
_CURVES = {
    "reward/mean": Plot("reward", "Reward", [], "mean"),
    "policy/entropy": Plot("entropy", "Entropy at the sampling temperature", [], "nats"),
    "policy/temperature": Plot("temperature", "Sampling temperature", []),
    "response/length_mean": Plot("length", "Response length", [], "tokens"),
    "response/truncated": Plot("truncated", "Truncated responses", [], percent=True),
    "reward/zero_variance": Plot("zero_variance", "Groups without a gradient", [], percent=True),
    "distill/kl": Plot("distill_kl", "Reverse KL divergence from the teacher", [], "nats a token"),
    "policy/loss": Plot("loss", "Loss", []),
    "policy/lr": Plot("lr", "Learning rate", []),
    "policy/grad_norm": Plot("grad_norm", "Gradient norm", [], log=True),
    "sync/logprob_gap": Plot("gap", "Log-prob gap of engine and trainer", [], "nats"),
    "throughput/tokens_per_second": Plot("throughput", "Throughput", [], "tokens / s"),
}
"""{metric: its plot, still without lines}."""
_OVERVIEW = {True: {"reward", "entropy", "length", "truncated"}, False: {"loss", "entropy"}}
"""{whether a run is RL: the plots by which it is watched}."""
_EXACT = {"temperature", "lr"}
"""Plots of values that are set, not measured, and so drawn without smoothing."""


def curve_plots(runs: list[Run], band: tuple[float, float] | None) -> list[Plot]:
    """Return the plots of metrics over steps that at least one run has, with runs over each other.

    Args:
        runs: one run, or several to compare.
        band: (lowest, highest) wanted entropy; None shades nothing.
    """
    plots = []
    for tag, plot in _CURVES.items():
        lines = [line for number, run in enumerate(runs) for line in _lines(run, tag, number, len(runs) > 1)]
        changes = plot.id not in _EXACT or len({value for line in lines for value in line.y}) > 1
        if lines and changes:
            plots.append(replace(plot, lines=lines, spans=spans(runs), band=band if plot.id == "entropy" else None))
    return plots


def overview(run: Run) -> list[Plot]:
    """Return the few plots by which a run is watched, its evaluations last."""
    plots = [plot for plot in curve_plots([run], None) if plot.id in _OVERVIEW[run.is_rl]]
    return plots + evaluation_plots([run])


def constants(runs: list[Run]) -> list[str]:
    """Return sentences on set values that never changed, which need no picture."""
    sentences = []
    for tag, plot in _CURVES.items():
        values = {value for run in runs for value in run.values(tag)}
        if plot.id in _EXACT and len(values) == 1:
            sentences.append(f"{plot.title}: {values.pop():g} throughout.")
    return sentences


def _lines(run: Run, tag: str, number: int, several: bool) -> list[Line]:
    curve, name = run.curves.get(tag, []), _CURVES[tag].id
    if not curve:
        return []
    label = run.name if several else "mean"
    if name in _EXACT:
        return [Line(label, *columns(curve), colour=number)]
    lines = [Line(label, *columns(curve), "faint", number), Line(label, *columns(smooth(curve)), "line", number)]
    if name == "length" and not several:
        lines += [Line("longest", *columns(run.curves["response/length_max"]), "thin", 1), *_budget(run)]
    return lines


def _budget(run: Run) -> list[Line]:
    """Return the stages' response budgets as a line of stairs."""
    default = run.model["sampling"]["max_response_length"]
    x: list[float] = []
    y: list[float] = []
    for span in run.spans():
        budget = run.stages[span.name]["max_response_length"] or default
        x, y = [*x, span.first, span.last + 1], [*y, budget, budget]
    return [Line("budget", x, y, "dash", 2)]


def evaluation_plots(runs: list[Run]) -> list[Plot]:
    """Return a plot for each benchmark, accuracies with their standard errors, and for each held-out loss of SFT."""
    plots = []
    for name in sorted({name for run in runs for name in run.curves if name.startswith("eval/")}):
        _, benchmark, kind = name.split("/", 2)
        if kind in ("avg", "loss"):
            lines = [_evaluation(run, benchmark, kind, n, len(runs) > 1) for n, run in enumerate(runs)]
            title = f"{benchmark}: accuracy" if kind == "avg" else f"{benchmark}: loss"
            found = [line for line in lines if line.x]
            plots.append(Plot(f"eval-{benchmark}-{kind}", title, found, percent=kind == "avg", spans=spans(runs)))
    return plots


def _evaluation(run: Run, benchmark: str, kind: str, number: int, several: bool) -> Line:
    x, y = columns(run.curves.get(f"eval/{benchmark}/{kind}", []))
    errors = dict(run.curves.get(f"eval/{benchmark}/stderr", []))
    error = [errors.get(int(step), 0.0) for step in x] if kind == "avg" else None
    return Line(run.name if several else benchmark, x, y, "points", number, error)


def time_plots(runs: list[Run]) -> list[Plot]:
    """Return a plot for each run of the shares that sections have of a step's time."""
    plots = []
    for number, run in enumerate(runs):
        tables = {name: dict(smooth(run.curves[name])) for name in TIMES if run.curves.get(name)}
        # why: stacked areas need a value of every section at every step
        steps = sorted(set.intersection(*map(set, tables.values()))) if tables else []
        total = {step: sum(table[step] for table in tables.values()) for step in steps}
        lines = [
            Line(_section(name), [*map(float, steps)], [table[s] / total[s] for s in steps], "area", colour)
            for colour, (name, table) in enumerate(tables.items())
        ]
        title = "Share of a step's time" if len(runs) == 1 else f"Share of a step's time: {run.name}"
        plots.append(Plot(f"time-{number}", title, lines, percent=True))
    return plots


def _section(name: str) -> str:
    return "sync" if name == "sync/seconds" else name.split("/")[1]


def spans(runs: list[Run]) -> list[tuple[str, float, float]]:
    """Return (number, first step, end) of the stages of a single run; none for several."""
    # why: runs over each other may differ in their stages
    found = runs[0].spans() if len(runs) == 1 else []
    if len(found) < 2:
        return []
    return [(str(number), span.first, span.last + 1) for number, span in enumerate(found, 1)]


def smooth(curve: Curve) -> Curve:
    """Return the curve of means over the last fiftieth of the run's steps, at least five."""
    # why: the window looks back alone, since the last steps of a run that goes on have no later ones
    width = max(5, len(curve) // 50)
    values = [value for _, value in curve]
    return [(step, fmean(values[max(0, i + 1 - width) : i + 1])) for i, (step, _) in enumerate(curve)]


def columns(curve: Curve) -> tuple[list[float], list[float]]:
    """Split a curve into its steps and its values."""
    return [step for step, _ in curve], [value for _, value in curve]
