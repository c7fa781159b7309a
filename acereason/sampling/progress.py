"""This module shows progress: a bar on a terminal, a line every half minute without one."""

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Told:
    """Counts outcomes and shows their numbers on stderr.

    Args:
        total: number of requests of this call.
        seconds: seconds between two lines where stderr is no terminal.
        console: console to show them on; None is stderr.
    """

    def __init__(self, total: int, seconds: float = 30.0, console: Console | None = None) -> None:
        self.total, self.seconds = total, seconds
        self.finished = self.failed = self.tokens = 0
        self._start = self._last = time.monotonic()
        columns = (TextColumn("requests"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._console = console or Console(stderr=True)
        self._bar = Progress(*columns, TextColumn("{task.description}"), console=self._console, transient=True)
        self._task = self._bar.add_task("", total=total)

    def shown(self) -> AbstractContextManager:
        """Return a context that shows the bar while it lasts, where there is a terminal."""
        return self._bar if self._console.is_terminal else nullcontext()

    def count(self, tokens: int | None) -> None:
        """Take in one outcome: a response's tokens, or None for a failure."""
        if tokens is None:
            self.failed += 1
        else:
            self.finished, self.tokens = self.finished + 1, self.tokens + tokens
        now = time.monotonic()
        if self._console.is_terminal:
            self._bar.update(self._task, completed=self.finished + self.failed, description=self._rates(now))
        elif now - self._last >= self.seconds:
            self._last = now
            # why: redirected to a file, lines would wait until a buffer is full
            print(self._line(now), file=sys.stderr, flush=True)

    def _rates(self, now: float) -> str:
        return f"{self.failed:,} failed, {self.tokens / max(now - self._start, 1e-9):,.0f} tokens/s"

    def _line(self, now: float) -> str:
        done = self.finished + self.failed
        left = timedelta(seconds=round((now - self._start) * (self.total - done) / done))
        return f"{done:,} of {self.total:,} requests, {self._rates(now)}, {left} left"
