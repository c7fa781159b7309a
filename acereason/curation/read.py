"""`read`: every source as one table of prompts, numbered through in the order of the sources and their rows."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset

from acereason.curation.parallel import in_order
from acereason.curation.sources import CuratedSource, batches
from acereason.curation.stages import Report
from acereason.curation.tables import ROW_GROUP
from acereason.rewards.math import ground_truth, last_boxed

CHUNK = 20_000
"""Rows of a source in one file. A constant: the files must not depend on the machine."""
SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "source": pa.string(),
        "task": pa.string(),
        "statement": pa.string(),
        "answer": pa.string(),
        "starter": pa.string(),
        "date": pa.string(),
        "row": pa.int64(),
        "tests": pa.string(),
    }
)


@dataclass
class Opened:
    """A source with its rows."""

    name: str
    source: CuratedSource
    rows: Dataset
    fingerprint: str = ""
    """Hash of the data."""


def open_sources(sources: dict[str, CuratedSource], key: str) -> list[Opened]:
    """Open every source and check its columns. `key` names the mapping in errors."""
    opened = [Opened(name, source, source.rows(f"{key}.{name}")) for name, source in sources.items()]
    return [replace(entry, fingerprint=entry.source.fingerprint(entry.rows)) for entry in opened]


def read(folder: Path, opened: list[Opened], workers: int) -> Report:
    """Write the table, in files of at most `CHUNK` rows of one source; rows without text are left out."""
    pieces = [(i, start) for i, entry in enumerate(opened) for start in range(0, len(entry.rows), CHUNK)]
    items = [(piece, start, folder / f"prompts-{n:05}.parquet") for n, (piece, start) in enumerate(pieces)]
    taken = {entry.name: 0 for entry in opened}
    reasons = {"empty": 0, "not asked for": 0}
    for (index, _), counts in zip(pieces, in_order(_read_chunk, opened, items, workers), strict=True):
        taken[opened[index].name] += counts["taken"]
        reasons = {reason: count + counts[reason] for reason, count in reasons.items()}
    total = sum(len(entry.rows) for entry in opened)
    reasons = {reason: count for reason, count in reasons.items() if count}
    return Report("prompts", total, sum(taken.values()), reasons, {"sources": taken})


def prompts_of(entry: Opened, start: int, end: int) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The prompts of some rows of a source, and how many rows were taken, left out for `where`, or empty."""
    rows, counts = [], {"taken": 0, "empty": 0, "not asked for": 0}
    index = start
    for batch in batches(entry.source, entry.rows, start, end):
        for row in batch:
            prompt = prompt_of(entry, row, index) if entry.source.takes(row) else None
            counts["not asked for" if prompt is None else "taken" if prompt["statement"].strip() else "empty"] += 1
            if prompt is not None and prompt["statement"].strip():
                rows.append(prompt)
            index += 1
    return rows, counts


def prompt_of(entry: Opened, row: dict[str, Any], index: int) -> dict[str, Any]:
    """One row as a prompt of the table."""
    fields, problem = entry.source.mapping, entry.source.problem(row, index, entry.name)
    worked = fields.answer is not None and fields.answer == fields.solution and last_boxed(problem.answer) is None
    return {
        "id": problem.id,
        "source": entry.name,
        "task": problem.task,
        "statement": problem.statement,
        "answer": "" if worked and fields.answer_pattern is None else ground_truth(problem.answer),
        "starter": problem.starter,
        "date": None if fields.date is None or row[fields.date] is None else str(row[fields.date])[:10],
        "row": index,
        "tests": _tests(row, fields.tests),
    }


def _tests(row: dict[str, Any], columns: list[str]) -> str | None:
    """As JSON that `parse_tests` reads; None where there are none."""
    value = row[columns[0]] if len(columns) == 1 else {name: row[name] for name in columns}
    if not value or isinstance(value, dict) and not any(value.values()):
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _read_chunk(opened: list[Opened], item: tuple[int, int, Path]) -> dict[str, int]:
    index, start, path = item
    entry = opened[index]
    rows, counts = prompts_of(entry, start, min(start + CHUNK, len(entry.rows)))
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), path, row_group_size=ROW_GROUP)
    return counts
