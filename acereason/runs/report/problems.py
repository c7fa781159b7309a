"""This module makes the report's tables and plots of problems and verdicts."""

from collections import Counter
from dataclasses import dataclass
from statistics import fmean

from acereason.runs.report.content import Line, Plot, Table
from acereason.runs.report.reading import Run
from acereason.runs.report.words import number, percent

_SHOWN = 8
_CLASSES = ["none", "1-24", "25-49", "50-74", "75-99", "all"]


@dataclass
class Met:
    """A problem with all its groups in a run."""

    problem: str
    statement: str
    rates: list[float]
    """Share of correct rollouts of each group, in the order of steps."""
    lengths: list[int]
    """Tokens of every response."""

    def row(self) -> list[str]:
        """Return the problem's row of the table."""
        change = f"{percent(self.rates[0])} → {percent(self.rates[-1])}" if len(self.rates) > 1 else ""
        shown = self.statement if len(self.statement) < 80 else f"{self.statement[:80]}…"
        mean = percent(fmean(self.rates))
        return [shown, self.problem, f"{len(self.rates)}", mean, change, number(fmean(self.lengths))]


def problems_of(run: Run) -> list[Met]:
    """Return every problem that the run has sampled, the hardest first, of equal ones the one sampled more often."""
    met: dict[str, Met] = {}
    for row in run.groups:
        one = met.setdefault(row["problem"], Met(row["problem"], row["statement"], [], []))
        one.rates.append(row["correct"] / len(row["lengths"]))
        one.lengths += row["lengths"]
    return sorted(met.values(), key=lambda one: (fmean(one.rates), -len(one.rates), one.problem))


def problem_table(problems: list[Met]) -> Table:
    """Return the table of these problems."""
    head = ["problem", "id", "times sampled", "correct", "first → last", "mean tokens"]
    return Table(head, [one.row() for one in problems])


def hardest(problems: list[Met]) -> list[Met]:
    """Return the first few of the problems, which come hardest first."""
    return problems[:_SHOWN]


def easiest(problems: list[Met]) -> list[Met]:
    """Return the few problems with the highest pass rates; of equal ones those sampled most often come first."""
    return sorted(problems, key=lambda one: (-fmean(one.rates), -len(one.rates), one.problem))[:_SHOWN]


def pass_rates(run: Run) -> Plot:
    """Plot the shares of groups by their share of correct rollouts, for each stage."""
    lines = []
    for colour, span in enumerate(run.spans()):
        rates = [row["correct"] / len(row["lengths"]) for row in run.groups if row["stage"] == span.name]
        counts = Counter(_class(rate) for rate in rates)
        shares = [counts[name] / max(1, len(rates)) for name in _CLASSES]
        lines.append(Line(span.name, _CLASSES, shares, colour=colour))
    title = "Groups by their share of correct rollouts"
    return Plot("pass_rates", title, lines, "groups", percent=True, histogram=True, xlabel="correct, %")


def _class(rate: float) -> str:
    # why: none and all correct have classes of their own, since such groups have no gradient
    return _CLASSES[-1] if rate == 1 else _CLASSES[0] if rate == 0 else _CLASSES[1 + int(4 * rate)]


def lengths(run: Run) -> Plot:
    """Plot the shares of responses by length, with a line for each stage."""
    lines = []
    for colour, span in enumerate(run.spans()):
        found = [length for row in run.groups if row["stage"] == span.name for length in row["lengths"]]
        width = max(1, max(found, default=1) // 30)
        counts = Counter(length // width for length in found)
        classes = range(min(counts, default=0), max(counts, default=0) + 1)
        x = [(i + 0.5) * width for i in classes]
        lines.append(Line(span.name, x, [counts[i] / max(1, len(found)) for i in classes], colour=colour))
    return Plot("lengths", "Responses by length", lines, "share", xlabel="tokens")


def verdict_table(run: Run) -> Table:
    """Return the table of verdicts by their reasons: errors first, then wrong, then correct ones."""
    stages = [span.name for span in run.spans()]
    counts: dict[str, Counter[str]] = {stage: Counter() for stage in stages}
    for row in run.groups:
        counts[row["stage"]].update(row["why"])
    total = sum((counter for counter in counts.values()), Counter())
    # why: errors come first, since they are faults of the verifier and not of the policy
    kinds = sorted(+total, key=lambda why: (_ORDER.index(why.split(":")[0]), -total[why]))
    rows = [
        [*why.split(": ", 1), f"{total[why]:,}", *(percent(counts[s][why] / max(1, counts[s].total())) for s in stages)]
        for why in kinds
    ]
    return Table(["verdict", "decided by", "responses", *stages], rows, [row[0] for row in rows])


_ORDER = ["error", "wrong", "correct"]


def filtered_table(run: Run) -> Table:
    """Return the table of problems that left a stage, by epoch."""
    counts = Counter((row["stage"], row["epoch"]) for row in run.filtered)
    examples = {(row["stage"], row["epoch"]): f"{row['problem']}: {row['why']}" for row in run.filtered}
    rows = []
    for (stage, epoch), count in counts.items():
        when = "before the first step" if epoch < 0 else f"after epoch {epoch + 1}"
        rows.append([stage, when, f"{count:,}", examples[stage, epoch]])
    return Table(["stage", "when", "problems", "one of them"], rows)
