"""The stage `verify` judges every response without a verdict, drops responses and prompts by the verdicts, and rates
how hard prompts are."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from acereason.common.errors import UserError
from acereason.common.ratings import COLUMNS, Rating, ratings_of
from acereason.common.types import Problem
from acereason.curation.agreement import disagreeing
from acereason.curation.context import LOST, TABLE, Context
from acereason.curation.origins import ALONE
from acereason.curation.responses import write_alone
from acereason.curation.stages import Report
from acereason.curation.tables import Dropped, count_reasons, has_ground_truth, write_dropped
from acereason.processes.parallel import progress

PART = 10_000
"""Number of responses that are judged between two files on disk, which is the work that a kill costs at most."""
_UNVERIFIABLE = "unverifiable"
RATINGS = "ratings.parquet"
RATING = pa.schema([(name, pa.int64() if name == "judged" else pa.float64()) for name in COLUMNS])
"""Columns of a prompt's rating."""
UNRATED: dict[str, Any] = dict.fromkeys(COLUMNS)
"""The columns of a prompt without any response."""


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


def verify(context: Context, to: Path, config: Verification, only_rate: bool) -> Report:
    """Write the responses that stay, the dropped prompts, and the prompts' ratings.

    Args:
        context: the responses and their prompts.
        to: folder of the stage.
        config: which verdicts stay.
        only_rate: whether prompts alone stay, without responses.
    """
    table = context.responses()
    alone = bool(len(table) and table["origin"][0].as_py() == ALONE)
    # why: where verdicts decide nothing none are made, since judging may take hours
    if alone or not (config.judges or only_rate):
        pq.write_table(table, to / TABLE)
        write_dropped(to, [])
        write_ratings(to, {} if alone else rate(context, table))
        return Report("responses", len(table), len(table))
    table = table.set_column(4, "status", judged(context, table))
    ratings = rate(context, table)
    write_ratings(to, ratings)
    verdicts = {"verdicts": count_reasons(table["status"].to_pylist())}
    bad = unfit(ratings, config)
    if config.majority:
        # why: a prompt is dropped once, for the first reason
        known = {entry.number for entry in bad}
        bad += [entry for entry in disagreeing(context, table) if entry.number not in known]
    bad_numbers = [entry.number for entry in bad]
    if only_rate:
        kept = np.sort(np.setdiff1d(list(ratings), bad_numbers)).astype(np.int64)
        write_alone(to, kept)
        return Report("prompts", len(ratings), len(kept), write_dropped(to, bad), verdicts)
    left, reasons = _left(table, config, bad_numbers)
    bare = np.setdiff1d(table["number"].to_numpy(), np.concatenate([left["number"].to_numpy(), bad_numbers]))
    write_dropped(to, [*bad, *(Dropped(int(n), "no response is kept", {}) for n in bare)])
    pq.write_table(left, to / TABLE)
    return Report("responses", len(table), len(left), reasons, verdicts)


def _left(table: pa.Table, config: Verification, bad: list[int]) -> tuple[pa.Table, dict[str, int]]:
    """Return the responses whose verdict and prompt stay, and {reason: number of the others}."""
    kept = pc.is_in(table["status"], pa.array(config.keep)).to_numpy(zero_copy_only=False)
    reasons = count_reasons(table.filter(pa.array(~kept))["status"].to_pylist())
    of_bad = np.isin(table["number"].to_numpy(), bad)
    if gone := int((kept & of_bad).sum()):
        reasons["of a prompt whose pass rate or agreement is out of range"] = gone
    return table.filter(pa.array(kept & ~of_bad)), reasons


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


def judged(context: Context, table: pa.Table) -> pa.Array:
    """Return [R] the status of every response, judged now or known before."""
    statuses = np.array(table["status"].to_pylist(), dtype=object)
    pending = np.flatnonzero(pc.is_null(table["status"]).to_numpy(zero_copy_only=False))
    origin, row = (table[name].to_numpy()[pending] for name in ("origin", "row"))
    # why: in the order in which texts lie, so that files are read from front to back; the same inputs give the same
    # parts, so that a resumed call finds those of the killed one
    pending = pending[np.lexsort((row, origin))]
    parts = context.stages.parts("verify")
    slices = [pending[start : start + PART] for start in range(0, len(pending), PART)]
    for index, places in enumerate(progress(slices, "judging")):
        path = parts / f"{index:05}.parquet"
        if not path.exists():
            verdicts = _judge(context, table.take(pa.array(places)))
            # why: a file of the final name must be whole: what a kill leaves half written is judged again
            temporary = path.with_suffix(".new")
            pq.write_table(pa.table({"status": verdicts}), temporary)
            temporary.rename(path)
        statuses[places] = pq.read_table(path)["status"].to_pylist()
    return pa.array(statuses.tolist(), pa.string())


def _judge(context: Context, table: pa.Table) -> list[str]:
    """Return the statuses of responses."""
    statuses = [_UNVERIFIABLE] * len(table)
    judged_places: list[int] = []

    def items() -> Iterator[tuple[Problem, str]]:
        for places, texts in context.origins.texts(table):
            problems = context.prompts.problems(table["number"].to_numpy()[places])
            for place, problem, text in zip(places.tolist(), problems, texts, strict=True):
                if has_ground_truth(problem):
                    judged_places.append(place)
                    yield problem, text or ""

    for place, verdict in enumerate(context.pool.stream(items())):
        statuses[judged_places[place]] = verdict.status
    return statuses


def rate(context: Context, table: pa.Table) -> dict[int, Rating]:
    """Return {prompt: its rating} by its responses with their verdicts, and by those that were cut or are empty.

    The latter count as wrong where they bring no verdict: one that never came to an end has not solved its problem.
    """
    lost = pq.read_table(context.stages.folders["responses"] / LOST)
    numbers = np.unique(lost["number"].to_numpy())
    problems = zip(numbers.tolist(), context.prompts.problems(numbers), strict=True)
    # why: without a ground truth nobody could have judged them, and they say nothing about the prompt
    grounded = {number for number, problem in problems if has_ground_truth(problem)}
    unjudged = ((n, status or ("wrong" if n in grounded else None), tokens) for n, status, tokens in _rows(lost))
    return ratings_of([*_rows(table), *unjudged])


def _rows(table: pa.Table) -> Iterator[tuple[int, str | None, int]]:
    return zip(*(table[name].to_pylist() for name in ("number", "status", "tokens")), strict=True)


def write_ratings(to: Path, ratings: dict[int, Rating]) -> None:
    """Write the ratings beside the responses that a stage leaves."""
    rows = [{"number": number, **ratings[number].columns()} for number in sorted(ratings)]
    pq.write_table(pa.Table.from_pylist(rows, RATING.insert(0, pa.field("number", pa.int64()))), to / RATINGS)


def read_ratings(folder: Path) -> dict[int, dict[str, Any]]:
    """Return {prompt: columns of its rating} as a stage wrote them."""
    return {row.pop("number"): row for row in pq.read_table(folder / RATINGS).to_pylist()}
