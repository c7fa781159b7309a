"""This module writes a report as Markdown with pictures beside it."""

from pathlib import Path

from acereason.common.files import save_figure, write_atomically
from acereason.runs.report.content import (
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
from acereason.runs.report.pictures import picture


def write_markdown(report: Report, folder: Path) -> None:
    """Write `report.md`, and a PNG for each section with plots."""
    folder.mkdir(parents=True, exist_ok=True)
    for section in report.sections:
        plots = [plot for block in section.blocks if isinstance(block, Plots) for plot in block.plots]
        if plots:
            # why: without matplotlib's name and version the same run gives the same bytes
            save_figure(folder / f"{section.id}.png", picture(plots), dpi=110, metadata={"Software": None})
    write_atomically(folder / "report.md", markdown(report))


def markdown(report: Report) -> str:
    """Return the text of `report.md`."""
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
    # why: a response may hold fences of its own, which would end a shorter one
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{name}:\n\n{fence}\n{text}\n{fence}"


def _escaped(text: str) -> str:
    """Return text without Markdown's meaning, for a table's cell or outside of one."""
    for sign in "\\`*_<>|#[]":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
