"""What a scored file amounts to, in tables."""

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from acereason.scoring.rows import Row
from acereason.types import Verdict

_SLOWEST = 5
_SHOWN_DISAGREEMENTS = 20


@dataclass
class Summary:
    """Counts over verdicts as they come; its size doesn't depend on their number."""

    statuses: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """task -> status -> rows."""
    paths: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(path, status) -> rows."""
    errors: Counter[str] = field(default_factory=Counter)
    """Kind of error -> rows."""
    examples: dict[str, str] = field(default_factory=dict)
    """Kind of error -> id of its first row."""
    seconds: float = 0.0
    slowest: list[tuple[float, str, str]] = field(default_factory=list)
    """(seconds, id, what took them)."""
    expected: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(expected, status) -> rows, of the rows that say what they expect."""
    isolation: str = ""
    """The sandbox's layers, where there was code."""
    disagreements: list[tuple[str, str, str, str]] = field(default_factory=list)
    """(id, expected, status, reason) of the first ones."""

    @property
    def count(self) -> int:
        """Verdicts."""
        return sum(self.statuses[task].total() for task in self.statuses)

    @property
    def error_rate(self) -> float:
        """Share of verdicts that are errors."""
        return sum(statuses["error"] for statuses in self.statuses.values()) / max(1, self.count)

    def add(self, row: Row, verdict: Verdict) -> None:
        """Count one verdict."""
        name, reason, seconds = row.problem.id, reason_of(verdict), float(verdict.detail.get("seconds", 0.0))
        self.statuses[row.problem.task][verdict.status] += 1
        self.seconds += seconds
        heapq.heappush(self.slowest, (seconds, name, reason))
        if len(self.slowest) > _SLOWEST:
            heapq.heappop(self.slowest)
        if verdict.status == "error":
            kind = kind_of(verdict)
            self.errors[kind] += 1
            self.examples.setdefault(kind, name)
        else:
            self.paths[path_of(verdict), verdict.status] += 1
        if row.expected is not None:
            self._compare(row, verdict, reason)

    def _compare(self, row: Row, verdict: Verdict, reason: str) -> None:
        expected = str(row.expected)
        self.expected[expected, verdict.status] += 1
        if expected != verdict.status and len(self.disagreements) < _SHOWN_DISAGREEMENTS:
            self.disagreements.append((row.problem.id, expected, verdict.status, reason))

    def print(self, console: Console) -> None:
        """All tables that have rows."""
        console.print(self._rates())
        if self.isolation:
            console.print(f"isolation of programs: {self.isolation}", markup=False, highlight=False)
        if self.paths:
            console.print(
                _table("decided by", ("path", "verdict"), [((*path,), n) for path, n in self.paths.most_common(12)])
            )
        if self.errors:
            rows = [((kind, self.examples[kind]), n) for kind, n in self.errors.most_common(12)]
            console.print(_table("errors", ("kind", "first row"), rows))
        if self.expected:
            self._print_agreement(console)
        slow = Table("seconds", "row", "reason", title=f"slowest of {self.seconds:.1f} s", title_justify="left")
        for seconds, name, reason in sorted(self.slowest, reverse=True):
            slow.add_row(f"{seconds:.3f}", escape(name), escape(reason[:60]))
        console.print(slow)

    def _rates(self) -> Table:
        table = Table("task", title="verdicts", title_justify="left")
        for name in ("rows", "correct", "wrong", "error", "correct %", "error %"):
            table.add_column(name, justify="right")
        for task, statuses in sorted(self.statuses.items()):
            counts = [statuses[status] for status in ("correct", "wrong", "error")]
            shares = [f"{100 * statuses[status] / statuses.total():.1f}" for status in ("correct", "error")]
            table.add_row(task, *map(str, [statuses.total(), *counts]), *shares)
        return table

    def _print_agreement(self, console: Console) -> None:
        agreed, total = sum(n for (left, right), n in self.expected.items() if left == right), self.expected.total()
        title = f"agreement with the expected verdicts: {agreed} of {total}, {100 * agreed / total:.1f} %"
        console.print(
            _table(title, ("expected", "verdict"), [((*pair,), n) for pair, n in sorted(self.expected.items())])
        )
        if self.disagreements:
            table = Table("row", "expected", "verdict", "reason", title="disagreements", title_justify="left")
            for entry in self.disagreements:
                table.add_row(*map(escape, entry))
            console.print(table)


def reason_of(verdict: Verdict) -> str:
    """One line: the error, what a failed test said, or what decided."""
    detail = verdict.detail
    return " ".join(str(detail.get("error") or detail.get("note") or detail.get("path") or "").split())


def kind_of(verdict: Verdict) -> str:
    """An error, without what only this row has."""
    return re.sub(r"'[^']*'|\d+(\.\d+)?", "…", reason_of(verdict))


def path_of(verdict: Verdict) -> str:
    """What decided, without what only this row has: for code the outcome of the first test that failed."""
    if "tests" not in verdict.detail:
        return re.sub(r":.*|\d+", "", str(verdict.detail.get("path"))).strip()
    return next(
        (f"a test: {outcome}" for outcome in verdict.detail["tests"] if outcome != "passed"), "all tests passed"
    )


def _table(title: str, names: tuple[str, ...], rows: Sequence[tuple[tuple[str, ...], int]]) -> Table:
    table = Table(*names, title=title, title_justify="left")
    table.add_column("rows", justify="right")
    for cells, count in rows:
        table.add_row(*map(escape, cells), str(count))
    return table
