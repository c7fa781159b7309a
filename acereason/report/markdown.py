"""A report as Markdown with pictures beside it."""

from pathlib import Path

from acereason.files import save_figure, write_atomically
from acereason.report.content import (
    Block,
    Heading,
    Notices,
    Plots,
    Report,
    Samples,
    Section,
    Table,
    Text,
    Timeline,
)
from acereason.report.pictures import picture


def write_markdown(report: Report, folder: Path) -> None:
    """`report.md`, and a PNG for each section with plots."""
    folder.mkdir(parents=True, exist_ok=True)
    for section in report.sections:
        plots = [plot for block in section.blocks if isinstance(block, Plots) for plot in block.plots]
        if plots:
            save_figure(folder / f"{section.id}.png", picture(plots), dpi=110, metadata={"Software": None})
    write_atomically(folder / "report.md", markdown(report))


def markdown(report: Report) -> str:
    """The text."""
    parts = [f"# {_escaped(report.title)}", *map(_escaped, report.sentences)]
    for section in report.sections:
        parts += [f"## {section.title}", *(_block(section, block) for block in section.blocks)]
    return "\n\n".join(parts) + "\n"


def _block(section: Section, block: Block) -> str:
    match block:
        case Text(text):
            return text
        case Heading(text):
            return f"### {_escaped(text)}"
        case Plots():
            return f"![{section.title}]({section.id}.png)"
        case Table():
            return _table(block)
        case Notices(rows, good):
            return "\n".join(f"- **{rule}** ({where}): {message}" for rule, where, message in rows) or good
        case Timeline(_, bars):
            return "\n".join(f"{n}. {name}: {told}, {steps} steps" for n, (name, told, steps, _) in enumerate(bars, 1))
        case Samples():
            return "\n\n".join(_sample(sample.title, sample.status, vars(sample)) for sample in block.samples)


def _table(table: Table) -> str:
    head = [f"| {' | '.join(map(_escaped, table.head))} |", "|---" * len(table.head) + "|"]
    return "\n".join(head + [f"| {' | '.join(map(_escaped, row))} |" for row in table.rows])


def _sample(title: str, status: str, parts: dict[str, str]) -> str:
    told = "\n\n".join(_fenced(name, parts[name]) for name in ("prompt", "response", "verdict"))
    return f"<details><summary>{status}: {_escaped(title)}</summary>\n\n{told}\n\n</details>"


def _fenced(name: str, text: str) -> str:
    """A block whose fence is longer than any within."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{name}:\n\n{fence}\n{text}\n{fence}"


def _escaped(text: str) -> str:
    """Text that stays text in a table's cell and outside of it."""
    for sign in "\\`*_<>|#[]":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
