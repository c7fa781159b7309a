"""This module has the tables between the stages: prompts by number, and dropped prompts with reason and evidence."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from acereason.common.files import atomic_file
from acereason.common.texts import to_json
from acereason.common.types import Problem
from acereason.curation.digests import draws
from acereason.data.values import answers_of
from acereason.rewards.code.formats import parse_tests
from acereason.rewards.registry import takes_tests

DROPPED = "dropped.parquet"
ROW_GROUP = 1_000
"""Prompts in a row group of `read`'s files."""
BATCH = 512
"""Rows with their texts that are in memory at a time."""
_REMEMBERED = 16
"""Number of row groups that stay in memory."""
_SCHEMA = pa.schema({"number": pa.int64(), "reason": pa.string(), "evidence": pa.string()})


@dataclass
class Dropped:
    """A prompt that a stage dropped, with the reason."""

    number: int
    reason: str
    evidence: dict[str, Any]
    """The grounds of the decision: the copy that was kept, or the benchmark's item and n-gram. A `number` is a
    prompt's."""


class Prompts:
    """The table of prompts that `read` wrote, in files and numbered from 0.

    Its columns are id, source, task, statement, answer, starter, date, row (in its source) and tests (JSON).
    """

    def __init__(self, folder: Path) -> None:
        self.files = sorted(folder.glob("prompts-*.parquet"))
        counts = [pq.read_metadata(path).num_rows for path in self.files]
        self.starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self._groups: dict[tuple[int, int, tuple[str, ...]], tuple[int, pa.Table]] = {}

    def __len__(self) -> int:
        return int(self.starts[-1])

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a whole column, which must be one of small values."""
        return pa.chunked_array([chunk for path in self.files for chunk in _read(path, name).chunks])

    def texts(self, numbers: np.ndarray, name: str = "statement") -> dict[int, str]:
        """Return a column's values of these prompts, {number: text}; only the files that they are in are read."""
        found: dict[int, str] = {}
        for index, path in enumerate(self.files):
            first, last = self.starts[index], self.starts[index + 1]
            here = np.unique(numbers[(numbers >= first) & (numbers < last)])
            if len(here):
                values = _read(path, name).take(pa.array(here - first)).to_pylist()
                found |= dict(zip(here.tolist(), values, strict=True))
        return found

    def take(self, numbers: np.ndarray, columns: list[str]) -> list[dict[str, Any]]:
        """Return the rows of these prompts, in their order; only the row groups that they are in are read."""
        found: dict[int, dict[str, Any]] = {}
        for index, group in sorted({self._place(number) for number in np.unique(numbers).tolist()}):
            start, rows = self._group(index, group, tuple(columns))
            here = np.unique(numbers[(numbers >= start) & (numbers < start + len(rows))])
            found |= dict(zip(here.tolist(), rows.take(pa.array(here - start)).to_pylist(), strict=True))
        return [found[number] for number in numbers.tolist()]

    def values(self, numbers: np.ndarray, name: str) -> np.ndarray:
        """Return the values of these prompts in a column of small values, as objects."""
        return np.array(self.column(name).take(pa.array(numbers)).to_pylist(), dtype=object)

    def problems(self, numbers: np.ndarray) -> list[Problem]:
        """Return these prompts as verifiers take them, without their statements."""
        return [problem_of(row) for row in self.take(numbers, ["id", "task", "answer", "tests"])]

    def _place(self, number: int) -> tuple[int, int]:
        """Return (file, row group) of a prompt."""
        index = int(np.searchsorted(self.starts, number, side="right")) - 1
        return index, (number - int(self.starts[index])) // ROW_GROUP

    def _group(self, index: int, group: int, columns: tuple[str, ...]) -> tuple[int, pa.Table]:
        """Return (number of its first prompt, rows) of a row group; the last few groups stay in memory."""
        key = (index, group, columns)
        if key not in self._groups:
            start = int(self.starts[index]) + group * ROW_GROUP
            rows = pq.ParquetFile(self.files[index]).read_row_group(group, columns=list(columns))
            # why: a dict keeps its order, so that the group that was read first goes
            self._groups = dict(list(self._groups.items())[1 - _REMEMBERED :]) | {key: (start, rows)}
        return self._groups[key]


def in_parts(numbers: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the numbers `BATCH` at a time."""
    return (numbers[start : start + BATCH] for start in range(0, len(numbers), BATCH))


def _read(path: Path, name: str) -> pa.ChunkedArray:
    return pq.read_table(path, columns=[name])[name]


def problem_of(row: dict[str, Any]) -> Problem:
    """Make a problem of a row with id, task, answer and tests."""
    problem = Problem(row["id"], row["task"], "", "")
    if not takes_tests(problem.task):
        problem.answer, *problem.alternatives = answers_of(row["answer"]) or [""]
        return problem
    # why: tests that can't be read are none, and `filters.verifiable` says so of the prompt
    with suppress(ValueError):
        problem.tests = parse_tests(row["tests"])
    return problem


def has_ground_truth(problem: Problem) -> bool:
    """Return whether a problem has an answer or tests to judge a response by."""
    return bool(problem.answer.strip()) or problem.tests is not None


def write_dropped(folder: Path, dropped: Iterable[Dropped]) -> dict[str, int]:
    """Write the stage's decisions in the order of the prompts, and return {reason: count}."""
    # why: in the prompts' order, whatever the order in which a stage looked for its reasons
    ordered = sorted(dropped, key=lambda entry: entry.number)
    rows = [{"number": e.number, "reason": e.reason, "evidence": to_json(e.evidence)} for e in ordered]
    pq.write_table(pa.Table.from_pylist(rows, _SCHEMA), folder / DROPPED)
    return count_reasons(entry.reason for entry in ordered)


def count_reasons(reasons: Iterable[str]) -> dict[str, int]:
    """Return {reason: count}, the commonest first."""
    return dict(sorted(Counter(reasons).items(), key=lambda entry: (-entry[1], entry[0])))


def write_examples(path: Path, dropped: list[Dropped], prompts: Prompts, limit: int, seed: int) -> None:
    """Write JSON lines for people: up to `limit` dropped prompts of each reason, with their text and, where the
    evidence names another prompt, the text of that one."""
    chosen = _chosen(dropped, limit, seed)
    numbers = [entry.number for entry in chosen] + [e.evidence["number"] for e in chosen if "number" in e.evidence]
    wanted = np.array(numbers, dtype=np.int64)
    texts, ids = prompts.texts(wanted), prompts.texts(wanted, "id")
    with atomic_file(path) as file:
        for entry in chosen:
            row = {"id": ids[entry.number], "reason": entry.reason, **entry.evidence}
            row["statement"] = texts[entry.number]
            if (other := row.pop("number", None)) is not None:
                row |= {"kept": ids[other], "kept_statement": texts[other]}
            file.write(to_json(row) + "\n")


def _chosen(dropped: list[Dropped], limit: int, seed: int) -> list[Dropped]:
    by_reason: dict[str, list[Dropped]] = {}
    for entry in dropped:
        by_reason.setdefault(entry.reason, []).append(entry)
    chosen = []
    for reason in sorted(by_reason):
        entries = by_reason[reason]
        # why: drawn, since the first ones may all come from one source
        order = np.argsort(draws((str(entry.number) for entry in entries), seed, "examples", reason), kind="stable")
        chosen += [entries[index] for index in order[:limit]]
    return chosen
