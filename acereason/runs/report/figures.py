"""This module makes plotly's figures of plots; the page fills in the colours, since it knows its theme."""

from math import ceil, floor, log10
from typing import Any

from acereason.runs.report.content import Line, Plot

_AXIS: dict[str, Any] = {"automargin": True, "zeroline": False, "ticks": "outside", "ticklen": 3, "exponentformat": "e"}


def figure(plot: Plot) -> dict[str, Any]:
    """Return the figure that the page gives to `Plotly.react`."""
    values: dict[str, Any] = {"title": {"text": plot.unit, "standoff": 6}, "type": "log" if plot.log else "linear"}
    if plot.log:
        values |= _decades([value for line in plot.lines for value in line.y if value > 0])
    if plot.percent:
        values |= {"tickformat": ".0%"} | ({} if plot.histogram else {"range": [0, 1.02]})
    legend = len({line.name for line in plot.lines}) > 1
    layout = {
        "height": 260,
        "margin": {"l": 50, "r": 12, "t": 40 if legend else 18, "b": 34},
        "xaxis": _AXIS | {"title": {"text": plot.xlabel, "standoff": 4}, "type": _type(plot)},
        "yaxis": _AXIS | values,
        "hovermode": "closest" if plot.histogram else "x unified",
        "showlegend": legend,
        "legend": {"orientation": "h", "x": 0, "y": 1.07, "yanchor": "bottom"},
        "shapes": _shapes(plot),
        "annotations": [_label(label, first, last) for label, first, last in plot.spans],
    }
    return {"id": plot.id, "data": [trace(plot, line) for line in plot.lines], "layout": layout}


def _type(plot: Plot) -> str:
    # why: by itself plotly takes names such as 4 and 1/8 for numbers and dates, and leaves the others of their axis out
    return "category" if any(isinstance(x, str) for line in plot.lines for x in line.x) else "linear"


def trace(plot: Plot, line: Line) -> dict[str, Any]:
    """Return one line as a trace of plotly's; its `colour` is an index into the page's palette."""
    shared = {"x": line.x, "y": [_short(value) for value in line.y], "name": line.name, "colour": line.colour}
    if plot.histogram:
        return shared | {"type": "bar"}
    shared |= {"type": "scatter", "mode": "lines", "style": line.style}
    if line.style == "area":
        return shared | {"stackgroup": "all", "line": {"width": 0}}
    if line.style == "points":
        return shared | {"mode": "lines+markers", "error_y": {"type": "data", "array": line.error, "width": 3}}
    if line.style == "faint":
        return shared | {"line": {"width": 1}, "opacity": 0.35, "showlegend": False, "hoverinfo": "skip"}
    if line.style == "thin":
        return shared | {"line": {"width": 1}, "opacity": 0.6}
    return shared | {"line": {"width": 2, "dash": "dot" if line.style == "dash" else "solid"}}


def _decades(values: list[float]) -> dict[str, Any]:
    """Return ticks at 1, 2 and 5 times powers of ten."""
    # why: plotly's own ticks print over each other on an axis of one decade
    powers = range(floor(log10(min(values, default=1))), ceil(log10(max(values, default=1))) + 1)
    ticks = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
    return {"tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}


def _shapes(plot: Plot) -> list[dict[str, Any]]:
    shaded = [
        {"type": "rect", "x0": first, "x1": last, "y0": 0, "y1": 1, "yref": "paper", "fill": "stage"}
        for _, first, last in plot.spans[::2]
    ]
    if plot.band:
        low, high = plot.band
        shaded.append({"type": "rect", "xref": "paper", "x0": 0, "x1": 1, "y0": low, "y1": high, "fill": "band"})
    return [shape | {"line": {"width": 0}, "layer": "below"} for shape in shaded]


def _label(text: str, first: float, last: float) -> dict[str, Any]:
    where = {"x": (first + last) / 2, "y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False}
    return where | {"text": text, "font": {"size": 10}}


def _short(value: float) -> float:
    # why: five digits are more than a screen shows, and a page holds every value of the run
    return float(f"{value:.5g}")
