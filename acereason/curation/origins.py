"""This module reads the texts of responses from where they lie, in shards or in the rows of sources."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from acereason.curation.sources import Opened
from acereason.curation.tables import BATCH, in_parts
from acereason.data.bad_rows import BadRow
from acereason.data.problems import Source

ALONE = -1
"""Origin of the only row of a prompt in a version without responses."""


@dataclass
class Origins:
    """The files that hold the texts of responses: first the shards, then the sources."""

    shards: list[Path]
    sources: list[Opened]

    def texts(self, table: pa.Table) -> Iterator[tuple[np.ndarray, list[str | None]]]:
        """Yield (places in the table, their responses), some at a time; None for a prompt without responses.

        They come in the order in which they lie, so that each file is read once, from its beginning to its end.
        """
        origins, rows = (table[name].to_numpy() for name in ("origin", "row"))
        order = np.lexsort((rows, origins))
        for origin in np.unique(origins).tolist():
            here = order[origins[order] == origin]
            if origin == ALONE:
                yield from ((part, _no_texts(len(part))) for part in in_parts(here))
                continue
            wanted = rows[here]
            for start, texts in self._batches(origin, int(wanted[0]), int(wanted[-1]) + 1):
                first, last = np.searchsorted(wanted, [start, start + len(texts)])
                if last > first:
                    yield here[first:last], [texts[place] for place in (wanted[first:last] - start).tolist()]

    def _batches(self, origin: int, start: int, end: int) -> Iterator[tuple[int, list[str]]]:
        """Yield (first row, responses) that cover rows `start` to `end`."""
        if origin < len(self.shards):
            yield from _read_shard(self.shards[origin], start, end)
            return
        entry = self.sources[origin - len(self.shards)]
        for part in in_parts(np.arange(start, end)):
            yield int(part[0]), [worked(entry.source, row) for row in entry.between(int(part[0]), int(part[-1]) + 1)]


def _no_texts(count: int) -> list[str | None]:
    return [None] * count


def _read_shard(path: Path, start: int, end: int) -> Iterator[tuple[int, list[str]]]:
    file = pq.ParquetFile(path)
    counts = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    starts = np.concatenate([[0], np.cumsum(counts)])
    groups = [i for i in range(len(counts)) if starts[i] < end and starts[i + 1] > start]
    # why: whole row groups are read, so the rows may begin before `start`; the caller takes what it asked for
    first = int(starts[groups[0]])
    for batch in file.iter_batches(BATCH, row_groups=groups, columns=["response"]):
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
