"""This module writes a report as Markdown with pictures beside it."""

from pathlib import Path

from acereason.common.files import save_figure, write_atomically
from acereason.common.markdown import escaped, table
from acereason.runs.report import content
from acereason.runs.report.pictures import picture


def write_markdown(report: content.Report, folder: Path) -> None:
    """Write `report.md`, and a PNG for each section with plots."""
    folder.mkdir(parents=True, exist_ok=True)
    for section in report.sections:
        plots = [plot for block in section.blocks if isinstance(block, content.Plots) for plot in block.plots]
        if plots:
            # why: without matplotlib's name and version the same run gives the same bytes
            save_figure(folder / f"{section.id}.png", picture(plots), dpi=110, metadata={"Software": None})
    write_atomically(folder / "report.md", markdown(report))


def markdown(report: content.Report) -> str:
    """Return the text of `report.md`."""
    parts = [f"# {escaped(report.title)}", *map(escaped, report.sentences)]
    for section in report.sections:
        parts += [f"## {section.title}", *(_block(section, block) for block in section.blocks)]
    return "\n\n".join(parts) + "\n"


def _block(section: content.Section, block: content.Block) -> str:
    match block:
        case content.Text(text):
            return text
        case content.Heading(text):
            return f"### {escaped(text)}"
        case content.Plots():
            return f"![{section.title}]({section.id}.png)"
        case content.Table():
            head, *rows = ([escaped(cell) for cell in row] for row in (block.head, *block.rows))
            return table(head, rows)
        case content.Notices(rows, good):
            return "\n".join(f"- **{rule}** ({where}): {message}" for rule, where, message in rows) or good
        case content.Timeline(_, bars):
            return "\n".join(f"{n}. {name}: {note}, {steps} steps" for n, (name, note, steps, _) in enumerate(bars, 1))
        case content.Samples():
            return "\n\n".join(map(_sample, block.samples))


def _sample(sample: content.Sample) -> str:
    texts = {"prompt": sample.prompt, "response": sample.response, "verdict": sample.verdict}
    parts = [f"<details><summary>{sample.status}: {escaped(sample.title)}</summary>"]
    return "\n\n".join([*parts, *(_fenced(name, text) for name, text in texts.items()), "</details>"])


def _fenced(name: str, text: str) -> str:
    # why: a response may hold fences of its own, which would end a shorter one
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{name}:\n\n{fence}\n{text}\n{fence}"
