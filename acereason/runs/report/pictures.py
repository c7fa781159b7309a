"""This module draws plots by matplotlib, for the Markdown and while a run goes on."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from acereason.runs.report.content import Line, Plot

_COLUMNS = 2
_INSIDE = 4
"""Lines whose names fit into a plot without covering much of it; the names of more stand beside it."""
_WIDE = 50
"""Letters that fit side by side below a plot; longer names are turned."""


def picture(plots: list[Plot], title: str = "") -> Figure:
    """Draw the plots in two columns, below the title if there is one."""
    rows = -(-len(plots) // _COLUMNS)
    columns = min(_COLUMNS, len(plots))
    figure = Figure(figsize=(5.5 * columns, 2.9 * rows), layout="constrained")
    if title:
        figure.suptitle(title)
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for axes, plot in zip(panels, [*plots, *[None] * (rows * columns - len(plots))], strict=True):
        if plot is None:
            axes.set_axis_off()
        else:
            _draw(axes, plot)
    return figure


def _draw(axes: Axes, plot: Plot) -> None:
    for _, first, last in plot.spans[::2]:
        axes.axvspan(first, last, color="0.5", alpha=0.1, linewidth=0)
    for label, first, last in plot.spans:
        axes.text(
            (first + last) / 2, 1.01, label, transform=axes.get_xaxis_transform(), ha="center", va="bottom", size=7
        )
    if plot.band:
        axes.axhspan(*plot.band, color="tab:green", alpha=0.12, linewidth=0)
    _lines(axes, plot)
    # why: an axis of zeros alone has no logarithm
    logarithmic = plot.log and any(value > 0 for line in plot.lines for value in line.y)
    # why: above the stages' numbers
    axes.set_title(plot.title, pad=14 if plot.spans else None)
    axes.set(xlabel=plot.xlabel, ylabel=plot.unit, yscale="log" if logarithmic else "linear")
    if plot.percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_ylim(0, None if plot.histogram else 1.02)
    _legend(axes, plot)
    _turn(axes, plot)
    axes.grid(alpha=0.25)


def _legend(axes: Axes, plot: Plot) -> None:
    names = {line.name for line in plot.lines}
    below = all(line.x == [line.name] for line in plot.lines)
    if len(names) > 1 and not below:
        beside: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1, 1)}
        axes.legend(fontsize=7, **beside if len(names) > _INSIDE else {})


def _turn(axes: Axes, plot: Plot) -> None:
    places = dict.fromkeys(x for line in plot.lines for x in line.x if isinstance(x, str))
    if sum(map(len, places)) > _WIDE:
        for label in axes.get_xticklabels():
            label.set(rotation=30, horizontalalignment="right", rotation_mode="anchor", size=8)


def _lines(axes: Axes, plot: Plot) -> None:
    stacked = [line for line in plot.lines if line.style == "area"]
    if stacked:
        colours = [f"C{line.colour}" for line in stacked]
        axes.stackplot(stacked[0].x, [line.y for line in stacked], labels=[s.name for s in stacked], colors=colours)
        return
    for number, line in enumerate(plot.lines):
        if plot.histogram:
            _bars(axes, line, number, len(plot.lines))
        else:
            _line(axes, line)


def _bars(axes: Axes, line: Line, number: int, count: int) -> None:
    width = 0.8 / count
    places = [place + (number - (count - 1) / 2) * width for place in range(len(line.x))]
    axes.bar(places, line.y, width, label=line.name, color=f"C{line.colour}")
    axes.set_xticks(range(len(line.x)), [str(name) for name in line.x], fontsize=8)


def _line(axes: Axes, line: Line) -> None:
    colour = f"C{line.colour}"
    if line.style == "points":
        axes.errorbar(line.x, line.y, line.error, fmt="o-", capsize=3, markersize=4, label=line.name, color=colour)
    elif line.style == "thin":
        axes.plot(line.x, line.y, linewidth=0.8, alpha=0.6, label=line.name, color=colour)
    elif line.style == "faint":
        axes.plot(line.x, line.y, linewidth=0.8, alpha=0.35, color=colour)
    else:
        axes.plot(line.x, line.y, "--" if line.style == "dash" else "-", linewidth=1.4, label=line.name, color=colour)
