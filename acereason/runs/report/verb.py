"""The verb `report` shows a run, to look at and to pass on."""

from pathlib import Path

from acereason.common.errors import UserError
from acereason.common.files import check_writable, write_atomically
from acereason.runs.files import RunFiles
from acereason.runs.report.markdown import write_markdown
from acereason.runs.report.page import render
from acereason.runs.report.reading import read_runs
from acereason.runs.report.sections import report_of


def report(runs: list[str], output: str | None = None) -> None:
    """Write a run as one HTML page that needs no network, and as Markdown with pictures, whether it is over or not. The
    curves of several runs are laid over each other.

    Args:
        runs: folders of runs.
        output: folder of report.html and report.md; null is `report` in the first run's folder.
    """
    if not runs:
        raise UserError("runs: name the folder of at least one run")
    folder = Path(output) if output else RunFiles(Path(runs[0])).report
    content = report_of(read_runs(runs))
    check_writable(folder, "output")
    write_atomically(folder / "report.html", render(content))
    write_markdown(content, folder)
    print(f"the report is {folder / 'report.html'}")
