"""The stage `verify` judges every response without a verdict, and drops responses and prompts by the verdicts."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from acereason.common.errors import UserError
from acereason.common.ratings import Rating
from acereason.common.types import Problem
from acereason.curation.agreement import disagreeing
from acereason.curation.grounds import has_ground_truth, problem_of
from acereason.curation.origins import ALONE, Origins
from acereason.curation.ratings import rate, write_ratings
from acereason.curation.responses import write_alone, write_table
from acereason.curation.stages import Report
from acereason.curation.tables import Dropped, Prompts, count_reasons, write_dropped
from acereason.processes.parallel import progress
from acereason.rewards.pool import RewardPool

PART = 10_000
"""Number of responses that are judged between two files on disk, which is the work that a kill costs at most."""
_UNVERIFIABLE = "unverifiable"
_NEEDED = ["id", "task", "answer", "tests"]


@dataclass
class Verification:
    """The verdicts by which responses and prompts stay."""

    keep: list[Literal["correct", "wrong", "error", "unverifiable"]] = field(default_factory=lambda: ["correct"])
    """Verdicts of the responses that stay. unverifiable: the prompt has no ground truth; error: the verifier failed."""
    pass_rate: tuple[float, float] | None = None
    """Least and largest share of correct responses of a prompt, among its judged and its cut ones; other prompts are
    dropped."""
    agreeing: int = 0
    """Least number of correct responses of a prompt, so that several responses of the teacher agree on its answer."""
    majority: bool = False
    """Whether to drop math prompts whose commonest answer among the responses isn't the correct one (AceReason 1.0,
    3.2.1: of up to 8 responses)."""

    @property
    def judges(self) -> bool:
        """Whether verdicts decide anything."""
        every = {"correct", "wrong", "error", _UNVERIFIABLE}
        return set(self.keep) != every or bool(self.pass_rate or self.agreeing or self.majority)

    def check(self) -> None:
        """Raise a UserError for a value that can't work."""
        low, high = self.pass_rate or (0.0, 1.0)
        if not 0 <= low <= high <= 1:
            raise UserError(f"verify.pass_rate: must be two shares in order, as [0.1, 0.9], not [{low:g}, {high:g}]")


def verify(
    folder: Path,
    table: pa.Table,
    lost: pa.Table,
    prompts: Prompts,
    origins: Origins,
    config: Verification,
    only_rate: bool,
    pool: RewardPool,
    parts: Path,
) -> Report:
    """Write the responses that stay, the dropped prompts, and the prompts' ratings.

    Args:
        folder: folder of the stage.
        table: responses of kept prompts.
        lost: responses that were cut or are empty, which count in the ratings.
        prompts: the prompts that they answer.
        origins: the files that hold the responses' texts.
        config: which verdicts stay.
        only_rate: whether prompts alone stay, without responses.
        pool: judges the responses.
        parts: folder for verdicts on the way, which outlives a kill.
    """
    alone = bool(table.num_rows and table["origin"][0].as_py() == ALONE)
    # why: where verdicts decide nothing none are made, since judging may take hours
    if alone or not (config.judges or only_rate):
        write_table(folder, table)
        write_dropped(folder, [])
        write_ratings(folder, {} if alone else rate(table, lost, prompts))
        return Report("responses", len(table), len(table))
    table = table.set_column(4, "status", judged(table, prompts, origins, pool, parts))
    ratings = rate(table, lost, prompts)
    write_ratings(folder, ratings)
    verdicts = count_reasons(table["status"].to_pylist())
    bad = unfit(ratings, config)
    if config.majority:
        # why: a prompt is dropped once, for the first reason
        known = {entry.number for entry in bad}
        bad += [entry for entry in disagreeing(table, prompts, origins) if entry.number not in known]
    if only_rate:
        return _prompts_alone(folder, ratings, bad, verdicts)
    kept = pc.is_in(table["status"], pa.array(config.keep)).to_numpy(zero_copy_only=False)
    reasons = count_reasons(status for status in table.filter(pa.array(~kept))["status"].to_pylist())
    number = table["number"].to_numpy()
    of_bad = np.isin(number, [entry.number for entry in bad])
    if gone := int((kept & of_bad).sum()):
        reasons["of a prompt whose pass rate or agreement is out of range"] = gone
    left = table.filter(pa.array(kept & ~of_bad))
    bare = np.setdiff1d(number, np.concatenate([left["number"].to_numpy(), [entry.number for entry in bad]]))
    write_dropped(folder, [*bad, *(Dropped(int(n), "no response is kept", {}) for n in bare)])
    write_table(folder, left)
    return Report("responses", len(table), len(left), reasons, {"verdicts": verdicts})


def _prompts_alone(folder: Path, ratings: dict[int, Rating], bad: list[Dropped], verdicts: dict[str, int]) -> Report:
    """Write the rated prompts without their responses."""
    kept = np.sort(np.setdiff1d(list(ratings), [entry.number for entry in bad])).astype(np.int64)
    write_alone(folder, kept)
    return Report("prompts", len(ratings), len(kept), write_dropped(folder, bad), {"verdicts": verdicts})


def unfit(ratings: dict[int, Rating], config: Verification) -> list[Dropped]:
    """Return the prompts whose share or number of correct responses is out of range."""
    low, high = config.pass_rate or (0.0, 1.0)
    dropped = []
    for number, rating in sorted(ratings.items()):
        out = not low <= (rating.pass_rate or 0.0) <= high
        if out or rating.correct < config.agreeing:
            evidence = {"correct": rating.correct, "responses": rating.judged}
            dropped.append(Dropped(number, "pass rate" if out else "too few agree", evidence))
    return dropped


def judged(table: pa.Table, prompts: Prompts, origins: Origins, pool: RewardPool, parts: Path) -> pa.Array:
    """Return [R] the status of every response, judged now or known before."""
    statuses = table["status"].to_pylist()
    pending = np.array([i for i, status in enumerate(statuses) if status is None], dtype=np.int64)
    origin, row, number = (table[name].to_numpy()[pending] for name in ("origin", "row", "number"))
    # why: in the order in which texts lie, so that files are read from front to back; the same inputs give the same
    # parts, so that a resumed call finds those of the killed one
    order = np.lexsort((row, origin))
    slices = [order[start : start + PART] for start in range(0, len(order), PART)]
    for index, places in enumerate(progress(slices, "judging")):
        path = parts / f"{index:05}.parquet"
        if not path.exists():
            found = _judge(origin[places], row[places], number[places], prompts, origins, pool)
            # why: a file of the final name must be whole: what a kill leaves half written is judged again
            temporary = path.with_suffix(".new")
            pq.write_table(pa.table({"status": found}), temporary)
            temporary.rename(path)
        for place, status in zip(places.tolist(), pq.read_table(path)["status"].to_pylist(), strict=True):
            statuses[int(pending[place])] = status
    return pa.array(statuses, pa.string())


def _judge(
    origin: np.ndarray, row: np.ndarray, number: np.ndarray, prompts: Prompts, origins: Origins, pool: RewardPool
) -> list[str]:
    """Return the statuses of responses that are sorted by (origin, row)."""
    statuses = [_UNVERIFIABLE] * len(row)
    positions: list[int] = []

    def items() -> Iterator[tuple[Problem, str]]:
        for position, problem, text in _pairs(origin, row, number, prompts, origins):
            if has_ground_truth(problem):
                positions.append(position)
                yield problem, text

    for place, verdict in enumerate(pool.stream(items())):
        statuses[positions[place]] = verdict.status
    return statuses


def _pairs(
    origin: np.ndarray, row: np.ndarray, number: np.ndarray, prompts: Prompts, origins: Origins
) -> Iterator[tuple[int, Problem, str]]:
    for found, texts in origins.texts(origin, row):
        rows = prompts.take(number[found], _NEEDED)
        for position, values, text in zip(found.tolist(), rows, texts, strict=True):
            yield position, problem_of(values), text
