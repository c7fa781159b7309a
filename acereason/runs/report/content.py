"""This module has the parts of a report, before they are HTML or Markdown."""

from dataclasses import dataclass, field


@dataclass
class Line:
    """A curve of a plot."""

    name: str
    x: list[float] | list[str]
    y: list[float]
    style: str = "line"
    """line; thin; faint: the values behind a smoothed line; dash: a bound; points: with error bars; area: stacked."""
    colour: int = 0
    """Index into the palette."""
    error: list[float] | None = None
    """Standard errors of points."""


@dataclass
class Plot:
    """A picture, over steps unless `xlabel` says otherwise; plotly draws it on the page, matplotlib for Markdown."""

    id: str
    title: str
    lines: list[Line]
    unit: str = ""
    """Unit of the values."""
    percent: bool = False
    """Whether the values are shares."""
    log: bool = False
    """Whether the axis of the values is logarithmic."""
    band: tuple[float, float] | None = None
    """(lowest, highest) of the wanted values, which are shaded."""
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
    """Mark of each row: differs, correct, wrong or error; empty where rows have none."""


@dataclass
class Notices:
    """Warnings, or a sentence that there are none."""

    rows: list[tuple[str, str, str]]
    """(rule, stages and steps at which it fired, its first message)."""
    good: str
    """Sentence for a run without warnings."""


@dataclass
class Timeline:
    """Stages as bars whose widths are their steps."""

    run: str
    bars: list[tuple[str, str, int, str]]
    """(name, settings in words, steps, task)."""


@dataclass
class Sample:
    """A response, which the page shows folded."""

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
    """A whole report."""

    title: str
    sentences: list[str]
    """Each run in one sentence."""
    sections: list[Section]
