"""The verb `compare` tells which problems one policy solves and another does not."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain, pairwise
from pathlib import Path

from rich.console import Console

from acereason.common.errors import UserError
from acereason.common.files import check_writable, save_figure, write_atomically, write_json
from acereason.common.markdown import table
from acereason.evaluation.estimators import Difference, paired_difference
from acereason.evaluation.plots import draw_accuracy, draw_bands, draw_pass_at_k, draw_rates
from acereason.evaluation.policies import Policy, ends_of, lines_of, read_policies
from acereason.evaluation.tables import accuracies, by_band, comma_separated, on_screen, passes


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


def compare(
    folders: list[str],
    output: str = "runs/compare",
    names: list[str] | None = None,
    benchmarks: list[str] | None = None,
    seed: int = 0,
) -> None:
    """Compare results of `test`: each folder with the one before it, benchmark by benchmark.

    Folders LINE/MOMENT of several lines, such as v5/stage_1 and v7/stage_1, are points on them: each is compared with
    the one before it on its line, and with that of the line before at the same moment.

    Args:
        folders: two or more folders with results.json, such as SFT before RL.
        output: folder of compare.md, compare.json, accuracy.csv, accuracy.png (Figures 5 to 7, 10, 11, 14), and for
            each benchmark BENCHMARK-rates.png (Figures 13, 16, 17), BENCHMARK-bands.png (by initial solve rate, 4.5.8)
            and BENCHMARK-pass.png (Figures 12, 15).
        names: labels of the folders in tables and plots, such as [v7@SFT,v7@RL] for points on a line; null takes the
            folders' own names.
        benchmarks: the benchmarks, of which the average is taken; null takes all that the folders share.
        seed: seed of the bootstrap's draws.
    """
    policies = read_policies(folders, names, benchmarks)
    target = Path(output)
    check_writable(target, "output")
    target.mkdir(parents=True, exist_ok=True)
    pairs = [compared(benchmark, *pair, seed) for benchmark in policies[0].results for pair in pairs_of(policies)]
    _draw(target, policies)
    write_json(target / "compare.json", [asdict(pair) for pair in pairs])
    write_atomically(target / "compare.md", markdown(policies, pairs))
    write_atomically(target / "accuracy.csv", comma_separated(policies))
    # why: of several lines there are more differences than a screen has rows
    told = [_line(pair) for pair in pairs] if len(lines_of(policies)) == 1 else []
    console = Console(highlight=False, markup=False)
    console.print(on_screen(policies))
    console.print("\n".join([*told, f"plots, compare.md, compare.json, accuracy.csv: {target}"]))


def pairs_of(policies: Sequence[Policy]) -> list[tuple[Policy, Policy]]:
    """Return which policies are compared: neighbours on a line, then at each moment those of neighbouring lines."""
    lines = lines_of(policies)
    along = [pair for line in lines.values() for pair in pairwise(line)]
    moments = dict.fromkeys(policy.moment for policy in policies)
    across = [pairwise([policy for policy in policies if policy.moment == moment]) for moment in moments]
    return [*along, *chain.from_iterable(across)]


def compared(benchmark: str, first: Policy, second: Policy, seed: int) -> Comparison:
    """Compare the second policy with the first, by a bootstrap with this seed.

    Raises:
        UserError: they have no problem in common.
    """
    before, after = first.results[benchmark].rates(), second.results[benchmark].rates()
    # why: a policy measured on fewer problems (`data.limit`) compares over the shared ones; `unpaired` counts the rest
    both = [name for name in before if name in after]
    if not both:
        raise UserError(f"{benchmark}: {first.name} and {second.name} have no problem in common")
    return Comparison(
        benchmark=benchmark,
        first=first.name,
        second=second.name,
        difference=paired_difference([before[name] for name in both], [after[name] for name in both], seed),
        newly_solved=[name for name in both if before[name] == 0 < after[name]],
        lost=[name for name in both if before[name] > 0 == after[name]],
        improved=sum(after[name] > before[name] for name in both),
        worsened=sum(after[name] < before[name] for name in both),
        unpaired=len(before.keys() ^ after.keys()),
    )


def markdown(policies: Sequence[Policy], pairs: Sequence[Comparison]) -> str:
    """Format accuracies, differences, pass@k, solve rates by band, and the problems newly solved and lost."""
    groups = ends_of(lines_of(policies))
    parts = [accuracies(policies), f"## Differences\n\n{_differences(pairs)}"]
    for benchmark in policies[0].results:
        parts += [passes(groups, benchmark), *(by_band(group, benchmark) for group in groups)]
    for pair in pairs:
        solved, lost = (", ".join(names) or "none" for names in (pair.newly_solved, pair.lost))
        parts.append(f"## {pair.benchmark}: {pair.first} to {pair.second}\n\n- newly solved: {solved}\n- lost: {lost}")
    return "\n\n".join(parts) + "\n"


def _differences(pairs: Sequence[Comparison]) -> str:
    head = ["benchmark", "from", "to", "difference", "95 % interval", "problems", "newly solved", "lost"]
    rows = []
    for pair in pairs:
        mean, low, high = (100 * value for value in (pair.difference.mean, pair.difference.low, pair.difference.high))
        cells = [pair.benchmark, pair.first, pair.second, f"{mean:+.1f}", f"{low:+.1f} to {high:+.1f}"]
        rows.append([*cells, *map(str, [pair.difference.problems, len(pair.newly_solved), len(pair.lost)])])
    return table(head, rows)


def _draw(target: Path, policies: Sequence[Policy]) -> None:
    save_figure(target / "accuracy.png", draw_accuracy(policies), dpi=130)
    groups = ends_of(lines_of(policies))
    for benchmark in policies[0].results:
        save_figure(target / f"{benchmark}-rates.png", draw_rates(benchmark, groups), dpi=130)
        save_figure(target / f"{benchmark}-bands.png", draw_bands(benchmark, groups), dpi=130)
        save_figure(target / f"{benchmark}-pass.png", draw_pass_at_k(benchmark, groups), dpi=130)


def _line(pair: Comparison) -> str:
    mean, low, high = (100 * value for value in (pair.difference.mean, pair.difference.low, pair.difference.high))
    return (
        f"{pair.benchmark}, {pair.first} to {pair.second}: {mean:+.1f} points ({low:+.1f} to {high:+.1f}) over "
        f"{pair.difference.problems} problems; {len(pair.newly_solved)} newly solved, {len(pair.lost)} lost"
    )
