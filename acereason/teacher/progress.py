"""How far it is: a bar on a terminal, a line every so often without one."""

import sys
import time
from datetime import timedelta
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_LINE_SECONDS = 30.0


class Told:
    """Counts outcomes and tells of them on stderr. Use it as a context.

    Args:
        total: requests of this call.
        seconds: between two lines where stderr is no terminal.
    """

    def __init__(self, total: int, seconds: float = _LINE_SECONDS) -> None:
        self.total, self.seconds = total, seconds
        self.finished = self.failed = self.tokens = 0
        self._start = self._last = time.monotonic()
        columns = (TextColumn("responses"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        console = Console(stderr=True)
        self._terminal = console.is_terminal
        self._bar = Progress(*columns, TextColumn("{task.description}"), console=console, transient=True)
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> "Told":
        if self._terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal:
            self._bar.stop()

    def count(self, tokens: int | None) -> None:
        """Take in one outcome: a response's tokens, or None for a failure."""
        if tokens is None:
            self.failed += 1
        else:
            self.finished, self.tokens = self.finished + 1, self.tokens + tokens
        now = time.monotonic()
        rate = self.tokens / max(now - self._start, 1e-9)
        told = f"{self.failed:,} failed, {rate:,.0f} tokens/s"
        if self._terminal:
            self._bar.update(self._task, completed=self.finished + self.failed, description=told)
        elif now - self._last >= self.seconds:
            self._last = now
            print(
                f"{self.finished + self.failed:,} of {self.total:,} requests, {told}, {self._left(now)} left",
                file=sys.stderr,
            )

    def _left(self, now: float) -> timedelta:
        done = self.finished + self.failed
        return timedelta(seconds=round((now - self._start) * (self.total - done) / done))
