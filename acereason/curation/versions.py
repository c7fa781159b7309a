"""The stage `version` decides which versions a response is in. Each version contains the one before (paper, 4.4.1: v1
to v7 scale first the prompts, then the responses per prompt).

Prompts are ranked by a hash of (seed, id), and so are the responses of a prompt. A version of P prompts and R responses
per prompt takes the first P prompts, and of each the first floor(R + u) responses, where u in [0, 1) is another hash of
the prompt. So there are R on average, even where R is no whole number, and never fewer in a larger version.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from acereason.common.errors import UserError
from acereason.common.types import Task
from acereason.curation.context import TABLE, Context
from acereason.curation.digests import draws, mixed, share_of
from acereason.curation.responses import ranks
from acereason.curation.stages import Report


@dataclass
class Size:
    """The size of one task's part of a version."""

    prompts: int | None = None
    """Number of prompts; null takes all."""
    responses: float | None = None
    """Mean number of responses per prompt; null takes all."""


Versions = dict[str, dict[Task, Size]]


def check_versions(versions: Versions) -> None:
    """Raise a UserError where a version would not contain the one before."""
    names = list(versions)
    for before, name in zip(names, names[1:], strict=False):
        for task, size in versions[before].items():
            larger = versions[name].get(task)
            for key in ("prompts", "responses"):
                ours = 0 if larger is None else getattr(larger, key)
                least = getattr(size, key)
                if ours is not None and (least is None or ours < least):
                    told = "all" if least is None else f"{least:g}"
                    raise UserError(
                        f"versions.{name}.{task}.{key}: {ours:g} is less than {before}'s {told}; versions nest"
                    )


def version(context: Context, to: Path, versions: Versions) -> Report:
    """Write the responses that are in any version.

    The column `version` is the index of the first version that has the response.
    """
    table = context.responses()
    number = table["number"].to_numpy()
    numbers, place = np.unique(number, return_inverse=True)
    ids, tasks = (context.prompts.values(numbers, name) for name in ("id", "task"))
    drawn = draws(ids, context.seed, "prompts")
    first = np.full(len(table), -1, np.int64)
    rank = response_ranks(number, table["sample"].to_numpy(), draws(ids, context.seed, "responses")[place])
    for kind in dict.fromkeys(tasks):
        here = np.flatnonzero(tasks == kind)
        # why: prompts of other tasks rank behind every limit
        prompt_rank = np.full(len(numbers), len(numbers))
        prompt_rank[here[np.lexsort((here, drawn[here]))]] = np.arange(len(here))
        # why: mixed, so that a prompt's share says nothing about its rank, which is by the same draw
        extra = share_of(mixed(drawn))
        # why: from the largest version to the smallest, so that the first one that has a response is what stays
        for index, sizes in reversed(list(enumerate(versions.values()))):
            if kind in sizes:
                first[_taken(sizes[kind], prompt_rank[place], rank, extra[place], len(here))] = index
    left = table.append_column("version", pa.array(first)).filter(pa.array(first >= 0))
    pq.write_table(left, to / TABLE)
    left_out = {"in no version": int((first < 0).sum())} if (first < 0).any() else {}
    return Report("responses", len(table), len(left), left_out, {"versions": counts(context, left, versions)})


def response_ranks(number: np.ndarray, sample: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return [R] the rank of each response among its prompt's responses; rows of a prompt stand together.

    Args:
        number: [R] number of the prompt.
        sample: [R] number of the response among its prompt's.
        drawn: [R] uint64, the prompt's draw.
    """
    order = np.lexsort((mixed(drawn + sample.astype(np.uint64)), number))
    rank = np.empty(len(number), np.int64)
    rank[order] = ranks(number[order])
    return rank


def counts(context: Context, table: pa.Table, versions: Versions) -> dict[str, Any]:
    """Return {version: {task: {prompts, responses}}}, the numbers of Figure 4."""
    number, first = table["number"].to_numpy(), table["version"].to_numpy()
    tasks = context.prompts.values(number, "task")
    return {
        name: {
            kind: {"prompts": len(np.unique(number[mask])), "responses": int(mask.sum())}
            for kind in sizes
            if (mask := (first <= index) & (tasks == kind)).any()
        }
        for index, (name, sizes) in enumerate(versions.items())
    }


def _taken(size: Size, prompt_rank: np.ndarray, rank: np.ndarray, extra: np.ndarray, count: int) -> np.ndarray:
    limit = count if size.prompts is None else min(size.prompts, count)
    most = np.full(len(rank), np.inf) if size.responses is None else np.floor(size.responses + extra)
    return (prompt_rank < limit) & (rank < most)
