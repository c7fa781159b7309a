"""This module draws what `compare` compares: accuracy over moments, solve rates by problem and by band, pass@k."""

from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from acereason.evaluation.bands import BANDS, banded
from acereason.evaluation.estimators import stderr_of_pass_at_k
from acereason.evaluation.policies import AVERAGE, Lines, Policy, columns, lines_of, score
from acereason.evaluation.published import curves, points

_MODELS = {"SFT-7B": ":", "AceReason-Nemotron-1.1-7B": "--"}
"""Rows of Table 1 that every figure shows, and how."""


def draw_accuracy(policies: Sequence[Policy]) -> Figure:
    """Draw accuracy by moment, a line for each line: a panel a benchmark, and one of their average.

    Figures 5 to 7, 10, 11 and 14 are such panels. The paper's numbers are grey.
    """
    panels = columns(policies)
    across = min(len(panels), 3)
    down = -(-len(panels) // across)
    figure = Figure(figsize=(4.6 * across, 3.4 * down + 0.6), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False).flat
    moments = list(dict.fromkeys(policy.moment for policy in policies))
    for axes, benchmark in zip(grid, [*panels, *[""] * (down * across - len(panels))], strict=True):
        if benchmark:
            _accuracy(axes, benchmark, lines_of(policies), moments)
        else:
            axes.set_axis_off()
    _shared_legend(figure)
    return figure


def draw_rates(benchmark: str, groups: Sequence[Sequence[Policy]]) -> Figure:
    """Draw the solve rate of every problem, in the order of a group's first policy (Figures 13, 16, 17)."""
    most = max(len(group[0].results[benchmark].problems) for group in groups)
    figure = Figure(figsize=(max(6.0, min(20.0, 0.16 * most)), 3.6 * len(groups) + 0.4), layout="constrained")
    for axes, group in zip(figure.subplots(len(groups), squeeze=False).flat, groups, strict=True):
        _rates(axes, benchmark, group)
    return figure


def draw_bands(benchmark: str, groups: Sequence[Sequence[Policy]]) -> Figure:
    """Draw solve rates of problems that were as hard for a group's first policy, band by band (4.5.8)."""
    figure = Figure(figsize=(7.5, 3.4 * len(groups) + 0.4), layout="constrained")
    for axes, group in zip(figure.subplots(len(groups), squeeze=False).flat, groups, strict=True):
        _bands(axes, benchmark, group)
    return figure


def draw_pass_at_k(benchmark: str, groups: Sequence[Sequence[Policy]]) -> Figure:
    """Draw pass@k over k for each policy, a colour for each group if there are several (Figures 12, 15)."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for number, group in enumerate(groups):
        for place, policy in enumerate(group):
            colour = f"C{number if len(groups) > 1 else place}"
            style = "o--" if policy is not group[-1] and len(groups) > 1 else "o-"
            _pass_at_k(axes, policy, benchmark, style, colour)
    axes.set_xscale("log", base=2)
    # why: 1, 2, 4 in place of powers of two
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    _label(axes, f"{benchmark} (error bars: one standard error over problems)", "k", "pass@k", "lower right")
    return figure


def _accuracy(axes: Axes, benchmark: str, lines: Lines, moments: Sequence[str]) -> None:
    places = _places(moments)
    for name, line in lines.items():
        # why: from left to right, whatever the order of the command
        ordered = sorted(line, key=lambda policy: places[policy.moment])
        found = [(places[policy.moment], at) for policy in ordered if (at := score(policy, benchmark))]
        x, y = [place for place, _ in found], [at.percent for _, at in found]
        errors = [at.stderr_runs or 0.0 for _, at in found]
        axes.errorbar(x, y, errors, fmt="o-", capsize=3, markersize=4, label=name or "here")
    _paper(axes, [benchmark] if benchmark != AVERAGE else list(_first(lines).results), places)
    axes.set_title(benchmark if benchmark != AVERAGE else f"average of {len(_first(lines).results)} benchmarks")
    axes.set(xticks=list(places.values()), ylabel="accuracy (%)")
    axes.set_xticklabels(moments, rotation=30 if max(map(len, moments)) > 6 else 0, fontsize=8)
    axes.grid(alpha=0.25)


def _first(lines: Lines) -> Policy:
    return next(iter(lines.values()))[0]


def _places(moments: Sequence[str]) -> dict[str, float]:
    """Return where the moments stand: numbers such as steps at themselves, others one after the other."""
    try:
        return {moment: float(moment) for moment in moments}
    except ValueError:
        return {moment: float(place) for place, moment in enumerate(moments)}


def _paper(axes: Axes, benchmarks: Sequence[str], places: dict[str, float]) -> None:
    for marker, (line, placed) in zip("sv^Dxp", curves(places).items(), strict=False):
        known = [(places[moment], at) for moment, point in placed.items() if (at := point.percent(benchmarks))]
        if known:
            x, y = zip(*known, strict=True)
            axes.plot(x, y, f"{marker}-", color="0.55", linewidth=0.8, markersize=3, label=f"paper: {line}")
    for point in points():
        if point.line in _MODELS and (level := point.percent(benchmarks)):
            style = _MODELS[point.line]
            axes.axhline(level, linestyle=style, color="0.55", linewidth=1, label=f"paper: {point.line}")


def _shared_legend(figure: Figure) -> None:
    found = {label: line for axes in figure.axes for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    # why: matplotlib lists lines with error bars last
    labels = sorted(found, key=lambda label: label.startswith("paper: "))
    title = "error bars: one standard error over runs on the same problems"
    lines = [found[label] for label in labels]
    figure.legend(lines, labels, loc="outside lower center", ncols=3, fontsize=8, title=title, title_fontsize=8)


def _rates(axes: Axes, benchmark: str, group: Sequence[Policy]) -> None:
    found = {policy.name: policy.results[benchmark].rates() for policy in group}
    first = next(iter(found.values()))
    # why: of problems with one rate the ones that another policy solves more often come first, so that points fall too
    order = sorted(first, key=lambda problem: (-first[problem], -max(own.get(problem, 0) for own in found.values())))
    for name, own in found.items():
        # why: the first policy is a falling line, since problems are sorted by it; points show who is above or below
        style = "-" if own is first else "o"
        axes.plot([own.get(problem, float("nan")) for problem in order], style, label=name, markersize=4)
    _label(axes, benchmark, f"{len(order)} problems, by the solve rate of {group[0].name}", "solve rate", "lower left")


def _bands(axes: Axes, benchmark: str, group: Sequence[Policy]) -> None:
    rows = banded(group[0].results[benchmark], [policy.results[benchmark] for policy in group[1:]])
    width = 0.8 / len(group)
    for number, policy in enumerate(group):
        shift = (number - (len(group) - 1) / 2) * width
        found = [(place + shift, band) for place, row in enumerate(rows) if (band := row[number])]
        x, y = [place for place, _ in found], [band.rate for _, band in found]
        errors = [band.stderr or 0.0 for _, band in found]
        axes.bar(x, y, width, yerr=errors, capsize=2, label=policy.name, error_kw={"linewidth": 1})
    sizes = [row[0].problems if row[0] else 0 for row in rows]
    labels = [f"{band}\n{size:.0f}" for band, size in zip(BANDS, sizes, strict=True)]
    axes.set_xticks(range(len(BANDS)), labels)
    axes.set_axisbelow(True)
    below = f"solve rate of {group[0].name}, its other responses; below: problems"
    _label(axes, f"{benchmark} (error bars: one standard error over problems)", below, "solve rate", "upper left")


def _pass_at_k(axes: Axes, policy: Policy, benchmark: str, style: str, colour: str) -> None:
    result = policy.results[benchmark]
    curve = [(int(k), value) for k, value in result.pass_at_k.items() if value is not None]
    counts = [(entry.correct, entry.judged) for entry in result.problems.values()]
    errors = [stderr_of_pass_at_k(counts, k) or 0.0 for k, _ in curve]
    x, y = [k for k, _ in curve], [value for _, value in curve]
    axes.errorbar(
        x, y, errors, fmt=style, color=colour, label=policy.name, markersize=4, capsize=2, linewidth=1.2, elinewidth=0.7
    )


def _label(axes: Axes, title: str, x: str, y: str, legend: Literal["lower right", "lower left", "upper left"]) -> None:
    axes.set(xlabel=x, ylabel=y, ylim=(-0.03, 1.03))
    axes.set_title(title, fontsize=10)
    axes.legend(fontsize=8, loc=legend)
    axes.grid(alpha=0.25)
