"""The stage `write` brings the texts of the responses in a version from where they lie into the dataset's files.

A version's folder holds the rows that it adds to the version before: v3 is the files of v1, v2 and v3. So nothing is
stored twice, and `load_dataset(folder, "v3")` gives all of it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from acereason.curation.origins import ALONE, Origins
from acereason.curation.ratings import SCHEMA as RATINGS
from acereason.curation.ratings import UNRATED
from acereason.curation.stages import Report
from acereason.curation.tables import Prompts

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
        **{each.name: each.type for each in RATINGS},
    }
)
_PROMPT = ["id", "source", "task", "statement", "starter", "answer"]
_BATCH = 512
"""Rows that are read at a time."""
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


def write(
    folder: Path,
    table: pa.Table,
    prompts: Prompts,
    origins: Origins,
    ratings: dict[int, dict[str, Any]],
    versions: list[str],
    rows_per_file: int,
) -> Report:
    """Write `folder`/version/task-00000.parquet and so on, in the order of the origins.

    Args:
        folder: folder of the dataset's files.
        table: responses with their version.
        prompts: the prompts that they answer.
        origins: the files that hold the responses' texts.
        ratings: columns of each prompt's rating.
        versions: names of the versions.
        rows_per_file: most rows of a file.
    """
    files = _Files(folder, versions, rows_per_file)
    # why: in the order in which texts lie, each file is read once and from its beginning to its end
    order = np.lexsort((table["row"].to_numpy(), table["origin"].to_numpy()))
    table = table.take(pa.array(order))
    for part, texts in _texts(table, origins):
        # why: tests may be megabytes; RL needs them with prompts alone, SFT on responses doesn't
        rows = prompts.take(part["number"].to_numpy(), _PROMPT if origins_hold(part) else [*_PROMPT, "tests"])
        for row, own, text in zip(rows, part.to_pylist(), texts, strict=True):
            own_values = {"sample": own["sample"], "tokens": own["tokens"], "status": own["status"]}
            rating = ratings.get(own["number"], UNRATED)
            files.add(own["version"], {"tests": None, **row, **own_values, **rating, "response": text})
    files.close()
    return Report("responses", len(table), len(table))


def origins_hold(part: pa.Table) -> bool:
    """Return whether the rows have a response; a dataset without responses has the tests of code problems instead."""
    return bool(part["origin"][0].as_py() != ALONE)


def _texts(table: pa.Table, origins: Origins) -> Iterator[tuple[pa.Table, list[str | None]]]:
    """Yield (rows, their responses) of a table that is sorted by origin and row."""
    origin, row = table["origin"].to_numpy(), table["row"].to_numpy()
    if len(table) and not origins_hold(table):
        for start in range(0, len(table), _BATCH):
            part = table.slice(start, _BATCH)
            yield part, [None] * len(part)
        return
    for found, texts in origins.texts(origin, row):
        yield table.slice(int(found[0]), len(found)), list(texts)
