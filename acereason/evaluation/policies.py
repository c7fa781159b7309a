"""This module reads the results that are compared, and puts them on lines: a start's stages, a data set's epochs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import fmean

from acereason.common.errors import UserError, did_you_mean
from acereason.evaluation.results import Result, read_results

AVERAGE = "average"
"""Name of the mean over benchmarks, where a benchmark's name is asked for."""


@dataclass(frozen=True)
class Policy:
    """A measured policy.

    Example:
        `v7@stage 1` is the policy of line v7 at the moment stage 1.
    """

    name: str
    results: Mapping[str, Result]
    """Results of the benchmarks that all compared policies have."""
    line: str = ""
    """The part of the name before @; empty where names have none: all policies are then on one line."""

    @property
    def moment(self) -> str:
        """The part of the name behind @, or the name."""
        return self.name.removeprefix(f"{self.line}@") if self.line else self.name


Lines = Mapping[str, Sequence[Policy]]
"""Policies by line, each line's in the order of the command line."""


@dataclass(frozen=True)
class Score:
    """An accuracy in percent, with its standard errors; None where there are too few samples for one."""

    percent: float
    stderr_runs: float | None
    stderr_problems: float | None


def read_policies(
    folders: Sequence[str], names: Sequence[str] | None = None, benchmarks: Sequence[str] | None = None
) -> list[Policy]:
    """Read the folders' results of the benchmarks that all of them have.

    Args:
        folders: folders with results.json.
        names: their names, either all LINE@MOMENT or none; None takes the folders' own.
        benchmarks: the benchmarks; None takes all that the folders share.

    Raises:
        UserError: a folder has no results, or they have no benchmark in common.
    """
    if len(folders) < 2:
        raise UserError("folders: name at least two folders with results.json")
    names = names or _names_of(folders)
    if len(names) != len(folders) or len(set(names)) < len(names):
        raise UserError(f"names: {len(folders)} folders need as many different names, not {names}")
    found = [read_results(Path(folder)) for folder in folders]
    shared = _shared(found, benchmarks)
    on_lines = all("@" in name for name in names)
    return [
        Policy(name, {benchmark: own[benchmark] for benchmark in shared}, name.partition("@")[0] if on_lines else "")
        for name, own in zip(names, found, strict=True)
    ]


def lines_of(policies: Sequence[Policy]) -> dict[str, list[Policy]]:
    """Return the policies by line."""
    found: dict[str, list[Policy]] = {}
    for policy in policies:
        found.setdefault(policy.line, []).append(policy)
    return found


def ends_of(lines: Lines) -> list[list[Policy]]:
    """Return the policies that are shown problem by problem: of several lines, each one's first and last.

    A single line's are all shown, and so are lines of one policy each, together.
    """
    if len(lines) > 1 and any(len(line) > 1 for line in lines.values()):
        return [[line[0], *line[1:][-1:]] for line in lines.values()]
    return [[policy for line in lines.values() for policy in line]]


def score(policy: Policy, benchmark: str) -> Score | None:
    """Return a policy's accuracy on a benchmark, or on their average; None without a judged sample.

    The benchmarks' problems are drawn apart, so that the variance of their mean is that of the sum / number squared.
    """
    if benchmark != AVERAGE:
        result = policy.results[benchmark]
        errors = [error if error is None else 100 * error for error in (result.stderr_runs, result.stderr_problems)]
        return None if result.avg is None else Score(100 * result.avg, *errors)
    known = [found for name in policy.results if (found := score(policy, name))]
    if len(known) < len(policy.results):
        return None
    mean = fmean(one.percent for one in known)
    return Score(mean, _of_mean([one.stderr_runs for one in known]), _of_mean([one.stderr_problems for one in known]))


def columns(policies: Sequence[Policy]) -> list[str]:
    """Return the benchmarks, followed by their average where there are several."""
    benchmarks = list(policies[0].results)
    return [*benchmarks, AVERAGE] if len(benchmarks) > 1 else benchmarks


def _of_mean(errors: Sequence[float | None]) -> float | None:
    known = [error for error in errors if error is not None]
    return sqrt(sum(error**2 for error in known)) / len(known) if len(known) == len(errors) else None


def _names_of(folders: Sequence[str]) -> list[str]:
    """Return the folders' last parts; LINE@MOMENT for folders LINE/MOMENT; or else their whole paths."""
    last = [Path(folder).name for folder in folders]
    if len(set(last)) == len(last):
        return last
    placed = [f"{Path(folder).parent.name}@{name}" for folder, name in zip(folders, last, strict=True)]
    return placed if len(set(placed)) == len(placed) and len(set(last)) > 1 else list(folders)


def _shared(found: Sequence[Mapping[str, Result]], wanted: Sequence[str] | None) -> list[str]:
    first, *others = found
    shared = [name for name in first if all(name in other for other in others)]
    if not shared:
        raise UserError("folders: no benchmark is in all of them")
    for name in wanted or []:
        if name not in shared:
            hint = did_you_mean(name, shared) or f"there are {', '.join(shared)}"
            raise UserError(f"benchmarks: not all folders have {name}; {hint}")
    return list(wanted or shared)
