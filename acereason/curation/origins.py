"""This module reads the texts of responses from where they lie, in shards or in the rows of sources."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from acereason.curation.read import Opened
from acereason.curation.sources import batches
from acereason.data.bad_rows import BadRow
from acereason.data.problems import Source

ALONE = -1
"""Origin of the only row of a prompt in a version without responses."""
_BATCH = 512


@dataclass
class Origins:
    """The files that hold the texts of responses: first the shards, then the sources."""

    shards: list[Path]
    opened: list[Opened]

    def texts(self, origin: np.ndarray, row: np.ndarray) -> Iterator[tuple[np.ndarray, list[str]]]:
        """Yield (places, responses there) of rows of origins, some at a time and in order.

        Args:
            origin: [R] index of the shard, or of the source after the shards; ascending.
            row: [R] row in that file; ascending within an origin.
        """
        for which in np.unique(origin).tolist():
            here = np.flatnonzero(origin == which)
            rows = row[here]
            for start, texts in self._batches(which, int(rows[0]), int(rows[-1]) + 1):
                first, last = np.searchsorted(rows, [start, start + len(texts)])
                if last > first:
                    yield here[first:last], [texts[place] for place in (rows[first:last] - start).tolist()]

    def _batches(self, origin: int, start: int, end: int) -> Iterator[tuple[int, list[str]]]:
        """Yield (first row, responses) that cover rows `start` to `end`."""
        if origin < len(self.shards):
            yield from _read_shard(self.shards[origin], start, end)
            return
        entry = self.opened[origin - len(self.shards)]
        for first in range(start, end, _BATCH):
            last = min(first + _BATCH, end)
            rows = [row for batch in batches(entry.source, entry.rows, first, last) for row in batch]
            yield first, [worked(entry.source, row) for row in rows]


def _read_shard(path: Path, start: int, end: int) -> Iterator[tuple[int, list[str]]]:
    file = pq.ParquetFile(path)
    counts = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    starts = np.concatenate([[0], np.cumsum(counts)])
    groups = [i for i in range(len(counts)) if starts[i] < end and starts[i + 1] > start]
    # why: whole row groups are read, so the rows may begin before `start`; the caller takes what it asked for
    first = int(starts[groups[0]])
    for batch in file.iter_batches(_BATCH, row_groups=groups, columns=["response"]):
        yield first, [text or "" for text in batch["response"].to_pylist()]
        first += len(batch)


def worked(source: Source, row: dict[str, Any]) -> str:
    """Return the response in a source's row; empty where it has none that can be used."""
    if source.mapping.solution is None:
        return ""
    try:
        return source.solution(row, source.problem(row, 0, ""))
    except BadRow:
        return ""
