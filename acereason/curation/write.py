"""The stage `write` brings the texts of the responses in a version from where they lie into the dataset's files.

A version's folder holds the rows that it adds to the version before: v3 is the files of v1, v2 and v3. So nothing is
stored twice, and `load_dataset(folder, "v3")` gives all of it.
"""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from acereason.curation.context import Context
from acereason.curation.stages import Report
from acereason.curation.verify import RATING, UNRATED, read_ratings

SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "sample": pa.int64(),
        "source": pa.string(),
        "task": pa.string(),
        "statement": pa.string(),
        "starter": pa.string(),
        "answer": pa.string(),
        "tests": pa.string(),
        "response": pa.string(),
        "tokens": pa.int64(),
        "status": pa.string(),
        **{each.name: each.type for each in RATING},
    }
)
_PROMPT = ["id", "source", "task", "statement", "starter", "answer"]
_GROUP = 1000
"""Rows that are written at a time, as a row group of parquet."""


class _Files:
    """The growing files, one for each version and task; a full one is closed and the next begun."""

    def __init__(self, folder: Path, names: list[str], rows: int) -> None:
        self._folder, self._names, self._rows = folder, names, rows
        self._open: dict[tuple[int, str], pq.ParquetWriter] = {}
        self._waiting: dict[tuple[int, str], list[dict[str, Any]]] = {}
        self._written: dict[tuple[int, str], int] = {}

    def add(self, version: int, row: dict[str, Any]) -> None:
        """Add one row to a version."""
        key = (version, row["task"])
        waiting = self._waiting.setdefault(key, [])
        waiting.append(row)
        room = self._rows - self._written.get(key, 0) % self._rows
        if len(waiting) == min(_GROUP, room):
            self._flush(key)

    def close(self) -> None:
        """Write the waiting rows, and complete the files."""
        for key in self._waiting:
            self._flush(key)
        for writer in self._open.values():
            writer.close()

    def _flush(self, key: tuple[int, str]) -> None:
        rows = self._waiting[key]
        if not rows:
            return
        written = self._written.get(key, 0)
        if written % self._rows == 0:
            self._next_file(key, written // self._rows)
        self._open[key].write_table(pa.Table.from_pylist(rows, SCHEMA))
        self._written[key] = written + len(rows)
        rows.clear()

    def _next_file(self, key: tuple[int, str], index: int) -> None:
        if key in self._open:
            self._open[key].close()
        path = self._folder / self._names[key[0]] / f"{key[1]}-{index:05}.parquet"
        path.parent.mkdir(exist_ok=True)
        self._open[key] = pq.ParquetWriter(path, SCHEMA, compression="zstd")


def write(context: Context, to: Path, versions: list[str], rows_per_file: int) -> Report:
    """Write `to`/version/task-00000.parquet and so on, in the order in which the texts of the responses lie."""
    table, prompts = context.responses(), context.prompts
    ratings = read_ratings(context.stages.folders["verify"])
    files = _Files(to, versions, rows_per_file)
    for places, texts in context.origins.texts(table):
        part = table.take(pa.array(places)).select(["number", "version", "sample", "tokens", "status"])
        # why: tests may be megabytes; RL needs them with prompts alone, SFT on responses doesn't
        columns = [*_PROMPT, "tests"] if texts[0] is None else _PROMPT
        rows = prompts.take(part["number"].to_numpy(), columns)
        for row, response, text in zip(rows, part.to_pylist(), texts, strict=True):
            rating = ratings.get(response.pop("number"), UNRATED)
            files.add(response.pop("version"), {"tests": None, **row, **response, **rating, "response": text})
    files.close()
    return Report("responses", len(table), len(table))
