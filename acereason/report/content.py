"""What a report consists of, before it is HTML or Markdown."""

from dataclasses import dataclass, field


@dataclass
class Line:
    """One curve of a plot."""

    name: str
    x: list[float] | list[str]
    y: list[float]
    style: str = "line"
    """line; thin; faint: the values behind a smoothed line; dash: a bound; points: with error bars; area: stacked."""
    colour: int = 0
    """Which of the palette."""
    error: list[float] | None = None
    """Standard errors of points."""


@dataclass
class Plot:
    """A picture, over steps unless it says otherwise, drawn by plotly on the page, by matplotlib for the Markdown."""

    id: str
    title: str
    lines: list[Line]
    unit: str = ""
    """Of the values."""
    percent: bool = False
    """Whether the values are shares."""
    log: bool = False
    """Whether the values are shown by their logarithm."""
    band: tuple[float, float] | None = None
    """Shaded: the values that are aimed at."""
    spans: list[tuple[str, float, float]] = field(default_factory=list)
    """Stages as (label, first step, last step)."""
    histogram: bool = False
    """Bars over classes instead of lines."""
    xlabel: str = "step"


@dataclass
class Plots:
    """Pictures side by side."""

    plots: list[Plot]


@dataclass
class Text:
    """A paragraph."""

    text: str


@dataclass
class Heading:
    """A title within a section."""

    text: str


@dataclass
class Table:
    """Rows of text."""

    head: list[str]
    rows: list[list[str]]
    marks: list[str] = field(default_factory=list)
    """Of each row, or none: differs, correct, wrong, error."""


@dataclass
class Notices:
    """Warnings, or that there are none."""

    rows: list[tuple[str, str, str]]
    """(rule, where it fired, what it said first)"""
    good: str
    """What is said when there are none."""


@dataclass
class Timeline:
    """Stages as bars whose widths are their steps."""

    run: str
    bars: list[tuple[str, str, int, str]]
    """(name, what it does, steps, task)"""


@dataclass
class Sample:
    """One response, folded."""

    title: str
    status: str
    prompt: str
    response: str
    verdict: str


@dataclass
class Samples:
    """Responses to read."""

    samples: list[Sample]


Block = Plots | Text | Heading | Table | Notices | Timeline | Samples


@dataclass
class Section:
    """A part of the report."""

    id: str
    title: str
    blocks: list[Block]


@dataclass
class Report:
    """All of it."""

    title: str
    sentences: list[str]
    """Each run in one sentence."""
    sections: list[Section]
