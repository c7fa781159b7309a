"""The stage `read` makes one table of all prompts, numbered in the order of the sources and their rows."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from acereason.common.errors import UserError
from acereason.curation.context import Context
from acereason.curation.sources import Opened
from acereason.curation.stages import Report
from acereason.curation.tables import ROW_GROUP
from acereason.data.bad_rows import BadRow, told_rows
from acereason.data.messages import NO_STATEMENT
from acereason.data.values import answers_text, day_of, plain
from acereason.processes.parallel import in_order
from acereason.rewards.math.verdict import ground_truth

CHUNK = 20_000
"""Rows of a source in one file. It is a constant, since the files must not depend on the machine."""
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
_SAME = ["id", "task", "statement", "answer", "starter", "tests"]
"""Columns in which two rows of one id must be the same."""


def read(context: Context, to: Path) -> Report:
    """Write the table, in files of at most `CHUNK` rows of one source; rows that can't be used are left out.

    Raises:
        UserError: two rows of one id are different problems.
    """
    sources = context.sources
    items = [(n, start, to / f"prompts-{i:05}.parquet") for i, (n, start) in enumerate(chunks(sources))]
    taken = {entry.name: 0 for entry in sources}
    reasons: Counter[str] = Counter()
    bad: dict[str, dict[str, str]] = {entry.name: {} for entry in sources}
    for (index, *_), prompts in zip(items, in_order(_read_chunk, sources, items, context.workers), strict=True):
        name = sources[index].name
        taken[name] += prompts.counts.pop("taken")
        reasons.update(prompts.counts)
        bad[name] |= prompts.bad
    for name, rows in bad.items():
        if rows:
            print(f"sources.{name}: rows that can't be used: {told_rows(rows)}", flush=True)
    refuse_different_twins(to)
    total = sum(len(entry.rows) for entry in sources)
    return Report("prompts", total, sum(taken.values()), {r: n for r, n in reasons.items() if n}, {"sources": taken})


def chunks(sources: list[Opened]) -> list[tuple[int, int]]:
    """Return (source, first row) of every `CHUNK` of rows."""
    return [(index, start) for index, entry in enumerate(sources) for start in range(0, len(entry.rows), CHUNK)]


@dataclass
class Read:
    """The prompts of some rows of a source."""

    rows: list[dict[str, Any]]
    counts: dict[str, int]
    """Numbers of rows that were taken, left out by `where`, have no statement, or can't be used."""
    bad: dict[str, str]
    """{row: why it can't be used}."""


def prompts_of(entry: Opened, start: int, end: int) -> Read:
    """Read the prompts of rows `start` to `end` of a source."""
    prompts = Read([], {"taken": 0, "empty": 0, "not asked for": 0}, {})
    for index, row in enumerate(entry.between(start, end), start):
        outcome = _take(entry, row, index, prompts)
        prompts.counts[outcome] = prompts.counts.get(outcome, 0) + 1
    return prompts


def _take(entry: Opened, row: dict[str, Any], index: int, prompts: Read) -> str:
    """Add a row's prompt to `prompts`, and return under which count the row falls."""
    if not entry.source.takes(row):
        return "not asked for"
    try:
        prompts.rows.append(prompt_of(entry, row, index))
    except BadRow as error:
        if error.reason == NO_STATEMENT:
            return "empty"
        prompts.bad[error.row] = error.reason
        return "can't be used"
    return "taken"


def prompt_of(entry: Opened, row: dict[str, Any], index: int) -> dict[str, Any]:
    """Return a row as a prompt of the table.

    Raises:
        BadRow: the row can't be a prompt; it says why.
    """
    fields, problem = entry.source.mapping, entry.source.problem(row, index, entry.name)
    answers = [ground_truth(answer) for answer in (problem.answer, *problem.alternatives)]
    return {
        "id": problem.id,
        "source": entry.name,
        "task": problem.task,
        "statement": problem.statement,
        "answer": answers_text(answers),
        "starter": problem.starter,
        "date": None if fields.date is None else _day(row[fields.date]),
        "row": index,
        "tests": _tests(row, fields.tests),
    }


def _day(value: Any) -> str | None:
    # why: a date in words is no date, since prompts without one stay
    try:
        return day_of(value)
    except ValueError:
        return None


def _tests(row: dict[str, Any], columns: list[str]) -> str | None:
    """Return tests as JSON that `parse_tests` reads; None where there are none, or none that JSON can hold."""
    value = row[columns[0]] if len(columns) == 1 else {name: row[name] for name in columns}
    if not value or isinstance(value, dict) and not any(value.values()):
        return None
    try:
        return value if isinstance(value, str) else json.dumps(plain(value))
    # why: columns may hold dates, integers of thousands of digits, or lists too deep for JSON
    except (TypeError, ValueError, RecursionError):
        return None


def refuse_different_twins(folder: Path) -> None:
    """Raise a UserError for two prompts of one id that differ; equal ones are rows of several responses to a prompt."""
    files = sorted(folder.glob("prompts-*.parquet"))
    counts = pc.value_counts(pa.concat_tables(pq.read_table(path, columns=["id"]) for path in files)["id"])
    twice = pc.struct_field(counts, "values").filter(pc.greater(pc.struct_field(counts, "counts"), 1))
    if not len(twice):
        return
    # why: rows are read whole for the ids that occur twice alone: tests of all prompts may not fit into memory
    refuse_differing(
        row
        for path in files
        for row in pq.read_table(path, columns=_SAME, filters=pc.field("id").isin(twice)).to_pylist()
    )


def refuse_differing(rows: Iterable[dict[str, Any]]) -> None:
    """Raise a UserError where two of these prompts have one id and differ."""
    known: dict[str, tuple[Any, ...]] = {}
    for row in rows:
        said = tuple(row[name] for name in _SAME)
        if known.setdefault(row["id"], said) != said:
            raise UserError(
                f"sources.{row['id'].partition('/')[0]}: two rows with the id {row['id']} are different problems; "
                "name another column in fields.id, or none"
            )


def _read_chunk(sources: list[Opened], item: tuple[int, int, Path]) -> Read:
    index, start, path = item
    prompts = prompts_of(sources[index], start, min(start + CHUNK, len(sources[index].rows)))
    pq.write_table(pa.Table.from_pylist(prompts.rows, SCHEMA), path, row_group_size=ROW_GROUP)
    # why: the rows are in the file, and would be pickled on their way to the main process
    prompts.rows = []
    return prompts
