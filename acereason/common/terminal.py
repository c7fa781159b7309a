"""This module has what commands show on a terminal: bars of progress."""

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn


def progress(*more: ProgressColumn, name: str = "{task.description}", **options: Any) -> Progress:
    """Return a bar on stderr of what is done and the remaining time, with further columns after it."""
    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), *more)
    return Progress(*columns, **{"console": Console(stderr=True)} | options)
