"""This module has what commands show on a terminal: tables, and bars of progress."""

from collections.abc import Container, Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[Any]], numbers: Container[int] = ()) -> Table:
    """Return a table whose texts may hold what rich would read as markup; the columns `numbers` are right-aligned."""
    drawn = Table(title=title, title_justify="left")
    for place, name in enumerate(head):
        drawn.add_column(name, justify="right" if place in numbers else "left")
    for row in rows:
        drawn.add_row(*(escape(cell) if isinstance(cell, str) else cell for cell in row))
    return drawn


def progress(*more: ProgressColumn, name: str = "{task.description}", **options: Any) -> Progress:
    """Return a bar on stderr of what is done and the remaining time, with further columns after it."""
    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), *more)
    return Progress(*columns, **{"console": Console(stderr=True)} | options)
