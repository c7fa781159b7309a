"""`verify`: a verdict for every response that has none, and which responses and prompts the verdicts drop."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from acereason.curation.agreement import disagreeing
from acereason.curation.grounds import has_ground_truth, problem_of
from acereason.curation.origins import ALONE, Origins
from acereason.curation.parallel import progress
from acereason.curation.responses import write_table
from acereason.curation.stages import Report
from acereason.curation.tables import Dropped, Prompts, count_reasons, write_dropped
from acereason.errors import UserError
from acereason.rewards.pool import RewardPool
from acereason.types import Problem

PART = 10_000
"""Responses that are judged between two files on disk: what a kill costs at most."""
_UNVERIFIABLE = "unverifiable"
_NEEDED = ["id", "task", "answer", "tests"]


@dataclass
class Verification:
    """What verdicts do."""

    keep: list[Literal["correct", "wrong", "error", "unverifiable"]] = field(default_factory=lambda: ["correct"])
    """Responses with one of these verdicts stay. unverifiable: their prompt has no ground truth; error: the verifier
    failed."""
    pass_rate: tuple[float, float] | None = None
    """Least and largest share of a prompt's responses that are correct; other prompts are dropped."""
    agreeing: int = 0
    """Least number of correct responses of a prompt: an answer that several responses of the teacher agree on."""
    majority: bool = False
    """Drops math prompts whose commonest answer among the responses isn't the correct one (AceReason 1.0, 3.2.1: of up
    to 8 responses)."""

    @property
    def judges(self) -> bool:
        """Whether verdicts matter at all."""
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
    prompts: Prompts,
    origins: Origins,
    config: Verification,
    pool: RewardPool,
    parts: Path,
) -> Report:
    """Write the responses that stay, and the prompts that go.

    Args:
        parts: a folder for verdicts on the way, kept when the process is killed.
    """
    if table.num_rows and table["origin"][0].as_py() == ALONE or not config.judges:
        write_table(folder, table)
        write_dropped(folder, [])
        return Report("responses", len(table), len(table))
    table = table.set_column(4, "status", judged(table, prompts, origins, pool, parts))
    verdicts = count_reasons(table["status"].to_pylist())
    bad = unfit(table, config)
    if config.majority:
        known = {entry.number for entry in bad}
        bad += [entry for entry in disagreeing(table, prompts, origins) if entry.number not in known]
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


def unfit(table: pa.Table, config: Verification) -> list[Dropped]:
    """The prompts whose share or number of correct responses is out of range."""
    numbers, place, total = np.unique(table["number"].to_numpy(), return_inverse=True, return_counts=True)
    right = pc.equal(table["status"], "correct").to_numpy(zero_copy_only=False)
    correct = np.bincount(place, weights=right, minlength=len(numbers)).astype(int)
    low, high = config.pass_rate or (0.0, 1.0)
    rate = correct / total
    dropped = [(i, "pass rate") for i in np.flatnonzero((rate < low) | (rate > high))]
    dropped += [
        (i, "too few agree") for i in np.flatnonzero((rate >= low) & (rate <= high) & (correct < config.agreeing))
    ]
    return [
        Dropped(int(numbers[i]), reason, {"correct": int(correct[i]), "responses": int(total[i])})
        for i, reason in dropped
    ]


def judged(table: pa.Table, prompts: Prompts, origins: Origins, pool: RewardPool, parts: Path) -> pa.Array:
    """[R] every response's status, those known before included."""
    statuses = table["status"].to_pylist()
    pending = np.array([i for i, status in enumerate(statuses) if status is None], dtype=np.int64)
    origin, row, number = (table[name].to_numpy()[pending] for name in ("origin", "row", "number"))
    order = np.lexsort((row, origin))
    slices = [order[start : start + PART] for start in range(0, len(order), PART)]
    for index, places in enumerate(progress(slices, "judging")):
        path = parts / f"{index:05}.parquet"
        if not path.exists():
            found = _judge(origin[places], row[places], number[places], prompts, origins, pool)
            temporary = path.with_suffix(".new")
            pq.write_table(pa.table({"status": found}), temporary)
            temporary.rename(path)
        for place, status in zip(places.tolist(), pq.read_table(path)["status"].to_pylist(), strict=True):
            statuses[int(pending[place])] = status
    return pa.array(statuses, pa.string())


def _judge(
    origin: np.ndarray, row: np.ndarray, number: np.ndarray, prompts: Prompts, origins: Origins, pool: RewardPool
) -> list[str]:
    """Statuses of responses that are sorted by (origin, row)."""
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
