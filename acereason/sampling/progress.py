"""This module shows the progress of sampling: a bar on a terminal, a line every half minute without one."""

import sys
import time
from datetime import timedelta

from rich.console import Console
from rich.progress import Progress, TextColumn

from acereason.common.terminal import progress
from acereason.sampling.request import Failed, Finished


class SamplingProgress:
    """Counts outcomes of requests and shows their numbers on stderr.

    Args:
        total: number of requests.
        done: number of them whose responses earlier calls have kept.
        what: word for the requests.
        seconds: seconds between two lines where stderr is no terminal.
        quiet: whether nothing is shown.
        console: console to show them on; None is stderr.
    """

    def __init__(
        self,
        total: int,
        done: int = 0,
        what: str = "requests",
        seconds: float = 30.0,
        quiet: bool = False,
        console: Console | None = None,
    ) -> None:
        self.total, self.done, self.what, self.seconds = total, done, what, seconds
        self.finished = self.failed = self.tokens = 0
        self._start = self._last = time.monotonic()
        self._console = console or Console(stderr=True, quiet=quiet)
        rates, hidden = TextColumn("{task.fields[rates]}"), not self._console.is_terminal
        self._bar = progress(rates, console=self._console, transient=True, disable=hidden)
        self._task = self._bar.add_task(what, total=total, completed=done, rates="")

    def shown(self) -> Progress:
        """Return a context that shows the bar while it lasts, where there is a terminal."""
        return self._bar

    def count(self, outcome: Finished | Failed) -> None:
        """Take in one outcome."""
        if isinstance(outcome, Finished):
            self.finished, self.tokens = self.finished + 1, self.tokens + outcome.tokens
        else:
            self.failed += 1
        now = time.monotonic()
        if self._console.is_terminal:
            self._bar.update(self._task, advance=1, rates=self._rates(now))
        elif now - self._last >= self.seconds and not self._console.quiet:
            self._last = now
            # why: redirected to a file, lines would wait until a buffer is full
            print(self._line(now), file=sys.stderr, flush=True)

    def _rates(self, now: float) -> str:
        return f"{self.failed:,} failed, {self.tokens / max(now - self._start, 1e-9):,.0f} tokens/s"

    def _line(self, now: float) -> str:
        asked = self.finished + self.failed
        done = self.done + asked
        left = timedelta(seconds=round((now - self._start) * (self.total - done) / asked))
        return f"{done:,} of {self.total:,} {self.what}, {self._rates(now)}, {left} left"
