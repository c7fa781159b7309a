"""The verb `compare` tells which problems one policy solves and another does not."""

from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter
from rich.console import Console

from acereason.common.errors import UserError
from acereason.common.files import check_writable, save_figure, write_atomically, write_json
from acereason.common.markdown import table
from acereason.evaluation.estimators import Difference, paired_difference
from acereason.evaluation.results import Result, read_results

Rates = dict[str, float]
"""Solve rate of each problem, by id."""


@dataclass
class Comparison:
    """A comparison of two policies on one benchmark, of the second with the first."""

    benchmark: str
    first: str
    second: str
    difference: Difference
    """Difference of their avg@n, over the problems that both have."""
    newly_solved: list[str]
    """Problems that the first never solves and the second does."""
    lost: list[str]
    """Problems that the first solves and the second never does."""
    improved: int
    """Number of problems with a higher solve rate."""
    worsened: int
    """Number of problems with a lower solve rate."""
    unpaired: int
    """Number of problems that only one of them has."""


def compare(folders: list[str], output: str = "runs/compare", names: list[str] | None = None, seed: int = 0) -> None:
    """Compare results of `test`: each folder with the one before it, benchmark by benchmark.

    Args:
        folders: two or more folders with results.json, such as SFT before RL.
        output: folder of compare.md, compare.json, and for each benchmark BENCHMARK-rates.png (Figures 13, 16, 17) and
            BENCHMARK-pass.png (Figures 12, 15).
        names: labels of the folders in tables and plots; null takes the folders' own names.
        seed: seed of the bootstrap's draws.
    """
    policies = _named(folders, names)
    shared = _shared(policies)
    pairs = [
        compared(benchmark, (first, policies[first][benchmark]), (second, policies[second][benchmark]), seed)
        for benchmark in shared
        for first, second in pairwise(policies)
    ]
    target = Path(output)
    check_writable(target, "output")
    target.mkdir(parents=True, exist_ok=True)
    for benchmark in shared:
        results = {name: found[benchmark] for name, found in policies.items()}
        save_figure(target / f"{benchmark}-rates.png", draw_rates(benchmark, results), dpi=130)
        save_figure(target / f"{benchmark}-pass.png", draw_pass_at_k(benchmark, results), dpi=130)
    write_json(target / "compare.json", [asdict(pair) for pair in pairs])
    write_atomically(target / "compare.md", markdown(pairs))
    lines = [*map(_line, pairs), f"plots, compare.json, compare.md: {target}"]
    Console().print("\n".join(lines), markup=False, highlight=False)


def compared(benchmark: str, first: tuple[str, Result], second: tuple[str, Result], seed: int) -> Comparison:
    """Compare the second policy with the first.

    Args:
        benchmark: name of the benchmark.
        first: (name, result) of the policy before.
        second: (name, result) of the policy after.
        seed: seed of the bootstrap's draws.

    Raises:
        UserError: they have no problem in common.
    """
    before, after = rates(first[1]), rates(second[1])
    # why: a policy measured on fewer problems (`data.limit`) compares over the shared ones; `unpaired` counts the rest
    both = [name for name in before if name in after]
    if not both:
        raise UserError(f"{benchmark}: {first[0]} and {second[0]} have no problem in common")
    return Comparison(
        benchmark=benchmark,
        first=first[0],
        second=second[0],
        difference=paired_difference([before[name] for name in both], [after[name] for name in both], seed),
        newly_solved=[name for name in both if before[name] == 0 < after[name]],
        lost=[name for name in both if before[name] > 0 == after[name]],
        improved=sum(after[name] > before[name] for name in both),
        worsened=sum(after[name] < before[name] for name in both),
        unpaired=len(before.keys() ^ after.keys()),
    )


def rates(result: Result) -> Rates:
    """Return the solve rate of each problem that has a judged sample."""
    return {name: entry.rate for name, entry in result.problems.items() if entry.rate is not None}


def markdown(pairs: list[Comparison]) -> str:
    """Format the differences as a Markdown table, followed by the problems newly solved and lost."""
    head = ["benchmark", "from", "to", "difference", "95 % interval", "problems", "newly solved", "lost"]
    rows = []
    for pair in pairs:
        mean, low, high = (100 * value for value in (pair.difference.mean, pair.difference.low, pair.difference.high))
        cells = [pair.benchmark, pair.first, pair.second, f"{mean:+.1f}", f"{low:+.1f} to {high:+.1f}"]
        rows.append([*cells, *map(str, [pair.difference.problems, len(pair.newly_solved), len(pair.lost)])])
    lines = [table(head, rows)]
    for pair in pairs:
        lines += ["", f"## {pair.benchmark}: {pair.first} to {pair.second}", ""]
        lines += [
            f"- newly solved: {', '.join(pair.newly_solved) or 'none'}",
            f"- lost: {', '.join(pair.lost) or 'none'}",
        ]
    return "\n".join([*lines, ""])


def draw_rates(benchmark: str, results: dict[str, Result]) -> Figure:
    """Draw the solve rate of every problem, in the order of the first policy's rates (Figures 13, 16, 17)."""
    found = {name: rates(result) for name, result in results.items()}
    first = next(iter(found.values()))
    # why: of problems with one rate the ones that another policy solves more often come first, so that points fall too
    order = sorted(first, key=lambda problem: (-first[problem], -max(own.get(problem, 0) for own in found.values())))
    figure = Figure(figsize=(max(6.0, min(20.0, 0.16 * len(order))), 4), layout="constrained")
    axes = figure.subplots()
    for name, own in found.items():
        # why: the first policy is a falling line, since problems are sorted by it; points show who is above or below
        style = "-" if own is first else "o"
        axes.plot([own.get(problem, float("nan")) for problem in order], style, label=name, markersize=4)
    _label(axes, benchmark, f"{len(order)} problems, by the solve rate of {next(iter(found))}", "solve rate")
    return figure


def draw_pass_at_k(benchmark: str, results: dict[str, Result]) -> Figure:
    """Draw pass@k over k for each policy (Figures 12, 15)."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, result in results.items():
        curve = [(int(k), value) for k, value in result.pass_at_k.items() if value is not None]
        axes.plot([k for k, _ in curve], [value for _, value in curve], "o-", label=name, markersize=4)
    axes.set_xscale("log", base=2)
    # why: 1, 2, 4 in place of powers of two
    axes.xaxis.set_major_formatter(ScalarFormatter())
    _label(axes, benchmark, "k", "pass@k")
    return figure


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y, ylim=(-0.03, 1.03))
    # why: solve rates fall from the upper left and pass@k rises from the lower left, which leaves these corners free
    axes.legend(fontsize=8, loc="lower left" if y == "solve rate" else "lower right")
    axes.grid(alpha=0.25)


def _named(folders: list[str], names: list[str] | None) -> dict[str, dict[str, Result]]:
    if len(folders) < 2:
        raise UserError("folders: name at least two folders with results.json")
    names = names or _short_names(folders)
    if len(names) != len(folders) or len(set(names)) < len(names):
        raise UserError(f"names: {len(folders)} folders need as many different names, not {names}")
    return {name: read_results(Path(folder)) for name, folder in zip(names, folders, strict=True)}


def _short_names(folders: list[str]) -> list[str]:
    """Return the folders' last parts, or their whole paths where two last parts are alike."""
    last = [Path(folder).name for folder in folders]
    return last if len(set(last)) == len(last) else folders


def _shared(policies: dict[str, dict[str, Result]]) -> list[str]:
    first, *others = policies.values()
    shared = [name for name in first if all(name in other for other in others)]
    if not shared:
        raise UserError("folders: no benchmark is in all of them")
    return shared


def _line(pair: Comparison) -> str:
    mean, low, high = (100 * value for value in (pair.difference.mean, pair.difference.low, pair.difference.high))
    return (
        f"{pair.benchmark}, {pair.first} to {pair.second}: {mean:+.1f} points ({low:+.1f} to {high:+.1f}) over "
        f"{pair.difference.problems} problems; {len(pair.newly_solved)} newly solved, {len(pair.lost)} lost"
    )
