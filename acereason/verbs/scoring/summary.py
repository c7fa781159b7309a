"""This module sums a scored file up in tables."""

import heapq
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from acereason.common.terminal import table
from acereason.common.types import Verdict
from acereason.verbs.scoring.rows import Row

_SLOWEST = 5
_SHOWN_DISAGREEMENTS = 20


@dataclass
class Summary:
    """Counts over verdicts as they come; their size doesn't depend on the number of rows."""

    statuses: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """{task: {status: number of rows}}."""
    paths: Counter[tuple[str, str]] = field(default_factory=Counter)
    """{(path, status): number of rows}."""
    errors: Counter[str] = field(default_factory=Counter)
    """{kind of error: number of rows}."""
    examples: dict[str, str] = field(default_factory=dict)
    """{kind of error: id of its first row}."""
    seconds: float = 0.0
    """Seconds of all verdicts together."""
    slowest: list[tuple[float, str, str]] = field(default_factory=list)
    """(seconds, id, reason) of the slowest verdicts, as a heap."""
    expected: Counter[tuple[str, str]] = field(default_factory=Counter)
    """{(expected, status): number of rows}, of the rows that name an expected verdict."""
    isolation: str = ""
    """Layers of the sandbox, where there was code."""
    disagreements: list[tuple[str, str, str, str]] = field(default_factory=list)
    """(id, expected, status, reason) of the first disagreements."""

    @property
    def count(self) -> int:
        """Number of verdicts."""
        return sum(statuses.total() for statuses in self.statuses.values())

    @property
    def error_rate(self) -> float:
        """Share of verdicts that are errors."""
        return sum(statuses["error"] for statuses in self.statuses.values()) / max(1, self.count)

    def add(self, row: Row, verdict: Verdict) -> None:
        """Take in one verdict."""
        name, reason, seconds = row.problem.id, verdict.reason, float(verdict.detail.get("seconds", 0.0))
        self.statuses[row.problem.task][verdict.status] += 1
        self.seconds += seconds
        # why: a heap of the slowest five alone, since a file may have millions of rows
        heapq.heappush(self.slowest, (seconds, name, reason))
        if len(self.slowest) > _SLOWEST:
            heapq.heappop(self.slowest)
        if verdict.status == "error":
            self.errors[verdict.kind] += 1
            self.examples.setdefault(verdict.kind, name)
        else:
            self.paths[verdict.kind, verdict.status] += 1
        if row.expected is not None:
            self._compare(row, verdict, reason)

    def _compare(self, row: Row, verdict: Verdict, reason: str) -> None:
        expected = str(row.expected)
        self.expected[expected, verdict.status] += 1
        if expected != verdict.status and len(self.disagreements) < _SHOWN_DISAGREEMENTS:
            self.disagreements.append((row.problem.id, expected, verdict.status, reason))

    def print(self, console: Console) -> None:
        """Print all tables that have rows."""
        console.print(self._rates())
        if self.isolation:
            console.print(f"isolation of programs: {self.isolation}", markup=False, highlight=False)
        paths = [(*path, str(n)) for path, n in self.paths.most_common(12)]
        errors = [(kind, self.examples[kind], str(n)) for kind, n in self.errors.most_common(12)]
        pairs = [(*pair, str(n)) for pair, n in sorted(self.expected.items())]
        slow = [(f"{seconds:.3f}", name, reason[:60]) for seconds, name, reason in sorted(self.slowest, reverse=True)]
        for title, head, rows in (
            ("decided by", ("path", "verdict", "rows"), paths),
            ("errors", ("kind", "first row", "rows"), errors),
            (self._agreement(), ("expected", "verdict", "rows"), pairs),
        ):
            if rows:
                console.print(table(title, head, rows, numbers=[2]))
        if self.disagreements:
            console.print(table("disagreements", ("row", "expected", "verdict", "reason"), self.disagreements))
        console.print(table(f"slowest of {self.seconds:.1f} s", ("seconds", "row", "reason"), slow))

    def _rates(self) -> Table:
        rows = []
        for task, statuses in sorted(self.statuses.items()):
            counts = [statuses[status] for status in ("correct", "wrong", "error")]
            shares = [f"{100 * statuses[status] / statuses.total():.1f}" for status in ("correct", "error")]
            rows.append([task, *map(str, [statuses.total(), *counts]), *shares])
        head = ("task", "rows", "correct", "wrong", "error", "correct %", "error %")
        return table("verdicts", head, rows, numbers=range(1, 7))

    def _agreement(self) -> str:
        agreed, total = sum(n for (left, right), n in self.expected.items() if left == right), self.expected.total()
        return f"agreement with the expected verdicts: {agreed} of {total}, {100 * agreed / max(1, total):.1f} %"
