"""This module rates how hard prompts are by their responses.

Responses that were cut or are empty count as wrong where they bring no verdict: one that never came to an end has not
solved its problem.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from acereason.common.ratings import COLUMNS, Rating, ratings_of
from acereason.curation.context import Context
from acereason.curation.tables import has_ground_truth

LOST = "lost.parquet"
"""Responses of kept prompts that are cut or empty: number, status, tokens."""
TABLE = "ratings.parquet"
SCHEMA = pa.schema([(name, pa.int64() if name == "judged" else pa.float64()) for name in COLUMNS])
"""Columns of a prompt's rating."""
UNRATED: dict[str, Any] = dict.fromkeys(COLUMNS)
"""The columns of a prompt without any response."""


def rate(context: Context, table: pa.Table) -> dict[int, Rating]:
    """Return {prompt: its rating} by its responses with their verdicts, and by those that were cut or are empty."""
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
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA.insert(0, pa.field("number", pa.int64()))), to / TABLE)


def read_ratings(folder: Path) -> dict[int, dict[str, Any]]:
    """Return {prompt: columns of its rating} as a stage wrote them."""
    return {row.pop("number"): row for row in pq.read_table(folder / TABLE).to_pylist()}
