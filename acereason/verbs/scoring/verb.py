"""The verb `score` judges a file of responses, to look at before rewards cost GPU hours."""

import sys
from collections.abc import Iterator
from itertools import tee
from pathlib import Path

from rich.console import Console

from acereason.common.errors import UserError
from acereason.common.files import atomic_file
from acereason.common.journal import RankJournals
from acereason.common.terminal import progress
from acereason.common.texts import to_json
from acereason.common.types import Verdict
from acereason.rewards.pool import RewardPool, RewardSettings
from acereason.rewards.settings import JUDGE
from acereason.verbs.scoring.explanation import explain as print_explanation
from acereason.verbs.scoring.rows import Row, read_rows
from acereason.verbs.scoring.summary import Summary


def score(
    input: str,
    output: str | None = None,
    explain: str | None = None,
    max_error_rate: float = 0.05,
    rewards: RewardSettings = RewardSettings(),  # noqa: B008  read only
) -> None:
    """Judge every response of a file, write the verdicts, and print a summary of them.

    The exit status is 0; 1 when more than `max_error_rate` of the verdicts are errors; 2 for a row that can't be
    judged, and then no output is written.

    Args:
        input: a .jsonl file. Each row: id, task (math, code or reasoning-gym), response, and answer (one, or a list of
            acceptable ones) or tests. Where rows also name the verdict they expect (correct or wrong), the summary
            shows the differences.
        output: the .jsonl file of verdicts, in the order of the rows: id, status, reward (1, 0 or null, or the sum of
            `rewards.functions`), extracted, detail, seconds.
        explain: id of one row whose verdict is shown step by step; nothing else is judged or written.
        max_error_rate: share of verdicts that may be errors.
        rewards: how responses are judged.
    """
    pool = RewardPool(rewards)
    try:
        if explain is not None:
            print_explanation(_row_of(Path(input), explain), pool, Console())
        elif output is None:
            raise UserError("output: name the .jsonl file for the verdicts, or give --explain with a row's id")
        else:
            pool.keep_verdicts(RankJournals(Path(output).parent, f"{Path(output).stem}.{JUDGE}"), rank=0)
            summary = _score(Path(input), Path(output), pool)
            _report(summary, max_error_rate, output)
    finally:
        pool.close()


def _score(source: Path, target: Path, pool: RewardPool) -> Summary:
    # why: all rows are read once before, so that a bad one is found before hours are spent
    total = sum(1 for _ in read_rows(source))
    summary = Summary()
    with atomic_file(target) as file, progress(transient=True) as shown:
        bar = shown.add_task("judging", total=total)
        for row, verdict in _judged(source, pool):
            summary.add(row, verdict)
            file.write(to_json(as_row(row, verdict)) + "\n")
            shown.advance(bar)
    if "code" in summary.statuses:
        summary.isolation = pool.isolation()
    return summary


def _judged(source: Path, pool: RewardPool) -> Iterator[tuple[Row, Verdict]]:
    # why: rows are read as the pool takes them, and kept until their verdicts come: the file may not fit into memory
    ours, theirs = tee(read_rows(source))
    yield from zip(ours, pool.stream((row.problem, row.response) for row in theirs), strict=True)


def as_row(row: Row, verdict: Verdict) -> dict:
    """Return a verdict as one row of the output."""
    detail, reward = dict(verdict.detail), verdict.reward
    return {
        "id": row.problem.id,
        "status": verdict.status,
        "reward": int(reward) if reward in (0, 1) else reward,
        "extracted": detail.pop("extracted", None),
        "detail": detail,
        "seconds": detail.pop("seconds", 0.0),
    }


def _report(summary: Summary, max_error_rate: float, output: str) -> None:
    console = Console()
    summary.print(console)
    console.print(f"{summary.count} verdicts in {output}", markup=False)
    if summary.error_rate > max_error_rate:
        print(f"{summary.error_rate:.1%} of the verdicts are errors, above {max_error_rate:.1%}", file=sys.stderr)
        sys.exit(1)


def _row_of(source: Path, name: str) -> Row:
    row = next((row for row in read_rows(source) if row.problem.id == name), None)
    if row is None:
        raise UserError(f"explain: {source} has no row with id {name}")
    return row
