"""This module reports the findings of `preflight`: as a table for people, as JSON for machines."""

from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from acereason.common.files import write_json
from acereason.verbs.preflight.checks import Checks

_MARKS = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "failure": "[red]failure[/]"}


def table(checks: Checks) -> Table:
    """Return the table of all findings, in the order in which they were made."""
    drawn = Table("", "key", "finding", title="preflight", show_lines=False)
    for check in checks.found:
        drawn.add_row(_MARKS[check.status], check.key, check.message.replace("[", r"\["))
    return drawn


def verdict(checks: Checks) -> str:
    """Return a line with the numbers of failures and warnings."""
    counts = {status: sum(check.status == status for check in checks.found) for status in ("failure", "warning")}
    if counts["failure"]:
        return f"{counts['failure']} findings would stop the run, {counts['warning']} warnings"
    return f"nothing would stop the run, {counts['warning']} warnings"


def tell(checks: Checks, output: str | None = None) -> None:
    """Print all findings, and write them to a file where one is named.

    Raises:
        SystemExit: there is a failure; its status is 1.
    """
    Console().print(table(checks))
    print(verdict(checks))
    if output:
        write(checks, Path(output))
    if checks.failed:
        raise SystemExit(1)


def write(checks: Checks, path: Path) -> None:
    """Write all findings as JSON."""
    write_json(path, {"failed": checks.failed, "checks": [asdict(check) for check in checks.found]})
