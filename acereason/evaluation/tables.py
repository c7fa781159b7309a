"""This module writes what `compare` compares as tables: accuracy and the paper's, pass@k, solve rates by band."""

import csv
import io
from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from acereason.common.markdown import table
from acereason.evaluation.bands import BANDS, Band, banded
from acereason.evaluation.policies import AVERAGE, Policy, columns, score
from acereason.evaluation.published import points
from acereason.evaluation.results import percent

_COLUMNS = ("source", "line", "moment", "benchmark", "percent", "stderr_runs", "stderr_problems")
_HERE = "here"
_LEGEND = (
    "In percent. ±: one standard error, of accuracy over runs on the same problems, of solve rates by band over "
    "problems. Tables and figures are the paper's (arXiv 2506.13284)."
)


def accuracies(policies: Sequence[Policy]) -> str:
    """Format each policy's accuracies as Markdown, with the paper's tables on the same benchmarks below."""
    names = columns(policies)
    ours = [[_HERE, policy.name, *_scores(policy, names)] for policy in policies]
    paper = [[source, line, *cells] for source, line, cells in _published(policies)]
    shown = table(["source", "policy", *names], [*ours, *paper], range(2, 2 + len(names)))
    return f"## Accuracy\n\n{shown}\n\n{_LEGEND}"


def on_screen(policies: Sequence[Policy]) -> Table:
    """Return the policies' accuracies for the screen."""
    names = columns(policies)
    shown = Table(title="accuracy in percent", title_justify="left", box=SIMPLE_HEAD, padding=0)
    shown.add_column("")
    for name in names:
        shown.add_column(name, justify="right")
    for policy in policies:
        shown.add_row(policy.name, *_scores(policy, names))
    return shown


def passes(groups: Iterable[Sequence[Policy]], benchmark: str) -> str:
    """Format the policies' pass@k on a benchmark as Markdown."""
    policies = [policy for group in groups for policy in group]
    ks = list(dict.fromkeys(k for policy in policies for k in policy.results[benchmark].pass_at_k))
    rows = [[policy.name, *(percent(policy.results[benchmark].pass_at_k.get(k)) for k in ks)] for policy in policies]
    return f"## {benchmark}: pass@k\n\n{table(['k', *ks], rows, range(1, 1 + len(ks)))}"


def by_band(group: Sequence[Policy], benchmark: str) -> str:
    """Format solve rates in the bands of a group's first policy as Markdown."""
    first, *others = group
    bands = banded(first.results[benchmark], [policy.results[benchmark] for policy in others])
    rows = [
        [band, f"{row[0].problems:.0f}", *map(_band, row)] for band, row in zip(BANDS, bands, strict=True) if row[0]
    ]
    head = [f"solve rate of {first.name}", "problems", *(policy.name for policy in group)]
    return f"## {benchmark}: by the solve rate of {first.name}\n\n{table(head, rows, range(1, len(head)))}"


def comma_separated(policies: Sequence[Policy]) -> str:
    """Format accuracies, and those of the paper's tables on the same benchmarks, as CSV: a row a number."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for policy in policies:
        for name in columns(policies):
            if found := score(policy, name):
                numbers = (found.percent, found.stderr_runs, found.stderr_problems)
                writer.writerow([_HERE, policy.line, policy.moment, name, *map(_number, numbers)])
    for point in points():
        for name, value in point.percents.items():
            if name in policies[0].results:
                writer.writerow([point.source, point.line, point.moment, name, value, "", ""])
    return written.getvalue()


def _published(policies: Sequence[Policy]) -> list[tuple[str, str, list[str]]]:
    """Return (source, line and moment, cells) of the paper's points that have one of the benchmarks."""
    benchmarks = list(policies[0].results)
    found = []
    for point in points():
        percents = [point.percent(benchmarks if name == AVERAGE else [name]) for name in columns(policies)]
        if any(value is not None for value in percents):
            name = f"{point.line}, {point.moment}" if point.moment else point.line
            found.append((point.source, name, ["" if value is None else f"{value:.1f}" for value in percents]))
    return found


def _scores(policy: Policy, names: Sequence[str]) -> list[str]:
    found = [score(policy, name) for name in names]
    return [_with_error(one.percent, one.stderr_runs) if one else "" for one in found]


def _with_error(percent: float, error: float | None) -> str:
    return f"{percent:.1f}" if error is None else f"{percent:.1f} ± {error:.1f}"


def _band(band: Band | None) -> str:
    return _with_error(100 * band.rate, band.stderr and 100 * band.stderr) if band else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
