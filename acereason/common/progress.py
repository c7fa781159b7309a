"""This module makes the progress bar of the verbs that have no trainer."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn


def progress_bar(*more: ProgressColumn, console: Console | None = None) -> Progress:
    """Return a bar that is gone at its end: a task's description, bar, count, remaining time, then the given columns.

    It is on stderr where no console is given, and shows nothing where the console is no terminal.
    """
    console = console or Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), *more)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
