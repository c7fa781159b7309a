"""The numbers of a benchmark: `results.json`, a table beside the paper's, one on screen."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from acereason.common.errors import UserError
from acereason.common.files import write_atomically, write_json
from acereason.common.markdown import table as markdown_table
from acereason.evaluation.published import EVALPLUS, table1

_SFT, _RL = table1("SFT-7B"), table1("AceReason-Nemotron-1.1-7B")
PAPER = {name: (_SFT[name], _RL[name]) for name in _RL}
"""{benchmark: percents of SFT-7B and of AceReason-Nemotron-1.1-7B} in Table 1."""


@dataclass
class ProblemResult:
    """Counts and rates of one problem's samples."""

    correct: int
    judged: int
    """Number of correct and wrong samples; the verifier failed on the others."""
    rate: float | None
    """correct / judged: the pass rate."""
    difficulty: float | None = None
    """Share of the judged samples that are wrong; null without any, and in files of older releases."""
    mean_tokens: float | None = None
    """Mean length of the samples in tokens; null in files of older releases."""


@dataclass
class Result:
    """The numbers of one benchmark. Shares are 0 to 1; null where there are too few samples for a number."""

    n: int
    """Samples per problem."""
    avg: float | None
    """avg@n: mean solve rate."""
    stderr_problems: float | None
    """Standard error of avg over problems."""
    stderr_runs: float | None
    """Standard error of avg over runs on these problems, which the paper quotes (4.1)."""
    majority: float | None
    """Share of problems whose most frequent answer is correct; null for code."""
    error_rate: float
    """Share of samples whose verifier failed; they count neither as correct nor as wrong."""
    errors: list[str]
    """The first of these samples, each with its error."""
    length_mean: float
    """Mean tokens of a response."""
    truncated: float
    """Share of responses that reached their budget."""
    pass_at_k: dict[str, float | None]
    """Unbiased pass@k, by k."""
    pass_at_k_drawn: dict[str, float | None]
    """pass@k by the paper's 100 draws (Figure 12), by k."""
    problems: dict[str, ProblemResult]
    """Results by problem id, in the benchmark's order."""

    def rates(self) -> dict[str, float]:
        """Return the solve rate of each problem that has a judged sample."""
        return {name: entry.rate for name, entry in self.problems.items() if entry.rate is not None}


def write_results(folder: Path, fingerprint: dict[str, Any], results: dict[str, Result]) -> None:
    """Write `results.json` and `results.md` in the folder, the same bytes for the same samples."""
    values = {name: asdict(result) for name, result in results.items()}
    write_json(folder / "results.json", {"fingerprint": fingerprint, "benchmarks": values})
    write_atomically(folder / "results.md", markdown(results, fingerprint["rewards"]["after_think"]))


def read_results(folder: Path) -> dict[str, Result]:
    """Return the results of each benchmark in a folder's `results.json`.

    Raises:
        UserError: there is no such file, or it is not of `test`.
    """
    path = folder / "results.json"
    if not path.is_file():
        raise UserError(f"{folder}: no results.json there; run.py test writes it")
    try:
        values = json.loads(path.read_text())["benchmarks"]
        return {name: _from_json(value) for name, value in values.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: no results of run.py test") from error


def table(results: dict[str, Result], title: str) -> Table:
    """Return the table for the screen."""
    shown = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)
    shown.add_column("benchmark", no_wrap=True)
    for name in _SHORT:
        shown.add_column(name, justify="right")
    for name, result in results.items():
        shown.add_row(name, *_cells(name, result))
    return shown


def markdown(results: dict[str, Result], after_think: str) -> str:
    """Format the results in percent, beside the paper's Table 1, with the setting of `rewards.after_think` below."""
    rows = [[name, *_cells(name, result)] for name, result in results.items()]
    if (mean := evalplus(results)) is not None:
        sft, rl = PAPER["evalplus"]
        empty = [""] * (len(_COLUMNS) - 4)
        rows.append(["EvalPlus: their mean", "", f"{100 * mean:.1f}", *empty, f"{sft:.1f}", f"{rl:.1f}"])
    return f"{markdown_table(['benchmark', *_COLUMNS], rows)}\n\n{_LEGEND} {_AFTER_THINK[after_think]}\n"


def evalplus(results: dict[str, Result]) -> float | None:
    """Return the mean of HumanEval+ and MBPP+; None where one of them was not measured."""
    both = [results[name].avg for name in EVALPLUS if name in results]
    known = [avg for avg in both if avg is not None]
    return fmean(known) if len(known) == len(EVALPLUS) else None


_COLUMNS = (
    *("n", "avg@n", "± problems", "± runs", "pass@n", "majority", "errors", "tokens", "truncated"),
    *("paper's SFT-7B", "paper's 1.1-7B"),
)
_SHORT = ("n", "avg@n", "±prob", "±runs", "pass@n", "maj", "err", "tokens", "trunc", "SFT", "1.1")
"""Short names of the same columns for the screen, so that the table fits into 80 characters."""
_LEGEND = (
    "In percent, but for n and mean tokens of a response. ±: standard errors of avg@n over problems, and over runs on "
    "the same problems. The paper's columns are its Table 1 (arXiv 2506.13284)."
)

_AFTER_THINK = {
    "require": "An answer counts only after `</think>` (`rewards.after_think: require`).",
    "prefer": "A response without `</think>` is read as a whole (`rewards.after_think: prefer`).",
}


def _cells(name: str, result: Result) -> list[str]:
    known = [result.avg, result.stderr_problems, result.stderr_runs, result.pass_at_k[str(result.n)], result.majority]
    shares = [*known, result.error_rate]
    paper = [f"{value:.1f}" for value in PAPER.get(name, ())] or ["", ""]
    length = [f"{result.length_mean:.0f}", percent(result.truncated)]
    return [str(result.n), *map(percent, shares), *length, *paper]


def percent(share: float | None) -> str:
    """Format a share in percent; None as nothing."""
    return "" if share is None else f"{100 * share:.1f}"


def _from_json(value: dict[str, Any]) -> Result:
    problems = {name: ProblemResult(**entry) for name, entry in value["problems"].items()}
    return Result(**value | {"problems": problems})
