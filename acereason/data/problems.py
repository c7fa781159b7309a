r"""Where problems come from: files and Hub datasets through `datasets`, with declared fields, or a generator.

Every source becomes problems: a statement, and as ground truth an answer (math) or tests (code).
"""

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from datasets import Dataset

from acereason.data.arithmetic import Arithmetic
from acereason.data.fields import ARITHMETIC, MAPPINGS, PROGRAMS, Fields
from acereason.data.programs import Programs
from acereason.data.reading import load
from acereason.errors import UserError
from acereason.rewards.math import last_boxed
from acereason.rewards.tests import parse_tests
from acereason.types import Problem, Task, Tests


@dataclass
class Window:
    """Rows of a span of time, such as those that no training data can hold."""

    column: str
    """Column of dates: ISO 8601 text, or timestamps."""
    since: str
    """First day, YYYY-MM-DD."""
    until: str
    """Day after the last, YYYY-MM-DD, so that two windows that meet share no row."""

    def check(self, key: str) -> None:
        """Raise a UserError for a window that can't work; `key` names it."""
        for name in ("since", "until"):
            try:
                date.fromisoformat(getattr(self, name))
            except ValueError as error:
                raise UserError(f"{key}.{name}: {getattr(self, name)!r} is no day like 2025-02-01") from error
        if self.since >= self.until:
            raise UserError(f"{key}: since {self.since} is not before until {self.until}")

    def holds(self, value: Any) -> bool:
        """Whether a row's date lies in it."""
        return self.since <= str(value)[:10] < self.until


@dataclass
class Source:
    """One source of problems: a `path`, or a generator."""

    path: str | None = None
    """A .jsonl, .jsonl.gz, .json or .parquet file; a folder of them, or a pattern such as `runs/teacher/*/*.parquet`;
    the name of a dataset on the Hub, or files there: hf://datasets/OWNER/NAME/FILE, which may hold a *."""
    fields: str | Fields = "math"
    """Name of a known mapping (`MAPPINGS`: gsm8k, math, math500, matharena, aime, acereason-math, acereason-sft, sft,
    curated, curated-code, taco, apps, livecodebench, acereason-code, humaneval, mbpp, mbppplus), or the columns."""
    task: Task = "math"
    """Which verifier judges, and which instruction the template gives; where the mapping has a column of tasks, that
    tells instead."""
    split: str = "train"
    """Split of a Hub dataset; a file has only train."""
    config: str | None = None
    """Configuration (subset) of a Hub dataset, or of a folder that is laid out as one; null: its only one."""
    where: dict[str, list[str]] = field(default_factory=dict)
    """Take only rows whose columns hold one of these values: {status: [correct], finish_reason: [stop]}."""
    window: Window | None = None
    """Take the rows of these dates only; null takes all."""
    limit: int | None = None
    """Take the first rows only, of those in the window; null takes all."""
    arithmetic: Arithmetic | None = None
    """Made-up math problems instead of a path."""
    programs: Programs | None = None
    """Made-up code problems instead of a path; with `task: code`."""

    def check(self, key: str) -> None:
        """Raise a UserError for a value that can't work; `key` names this source."""
        if sum(given is not None for given in (self.path, self.arithmetic, self.programs)) != 1:
            raise UserError(f"{key}: give one of path, arithmetic and programs, and null for the others")
        if isinstance(self.fields, str) and self.fields not in MAPPINGS:
            raise UserError(f"{key}.fields: {self.fields!r} is no known mapping; there are {sorted(MAPPINGS)}")
        if self.programs and self.task != "code":
            raise UserError(f"{key}.task: must be code for programs, not {self.task}")
        if self.window:
            self.window.check(f"{key}.window")
        if self.arithmetic:
            self.arithmetic.check(f"{key}.arithmetic")
        if self.programs:
            self.programs.check(f"{key}.programs")

    def rows(self, key: str) -> Dataset:
        """The raw rows. `key` names this source in errors."""
        self.check(key)
        rows = self._in_window(self._chosen(self._all(key), key), key)
        rows = rows if self.limit is None else rows.select(range(min(self.limit, len(rows))))
        if not len(rows):
            raise UserError(f"{key}: {self.path} has no rows" + (f" where {self.where}" if self.where else ""))
        if missing := self.columns() - set(rows.column_names):
            has = sorted(rows.column_names)
            raise UserError(f"{key}.fields: {self.path} has no column {sorted(missing)[0]!r}; its columns are {has}")
        return rows

    def problem(self, row: dict[str, Any], index: int, name: str) -> Problem:
        """One row as a problem, without its tests; its answer is empty where the row has none."""
        fields = self.mapping
        answer = "" if fields.answer is None else _answer_of(row[fields.answer], fields.answer_pattern)
        identity = index if fields.id is None else row[fields.id]
        return Problem(
            id=f"{name}/{identity}",
            task=self.task if fields.task is None else _task_of(row[fields.task], f"{name}/{identity}"),
            statement=self._statement(row),
            answer=answer,
            starter="" if fields.starter is None else str(row[fields.starter] or ""),
            source=name,
            difficulty=None if fields.difficulty is None else _number_in(row[fields.difficulty]),
        )

    def tests(self, row: dict[str, Any]) -> Tests:
        """The tests of a code problem's row.

        Raises:
            ValueError: it has none that can be used; says why in one line.
        """
        columns = self.mapping.tests
        if not columns:
            raise ValueError("no columns of tests are named (fields.tests)")
        return parse_tests(row[columns[0]] if len(columns) == 1 else {name: row[name] for name in columns})

    def solution(self, row: dict[str, Any], problem: Problem) -> str:
        """The response that SFT learns; a box is added where it has none, so that the verifier finds an answer."""
        fields = self.mapping
        text = "" if fields.solution is None else _text_of(row[fields.solution], "assistant")
        if fields.remove_pattern:
            text = re.sub(fields.remove_pattern, "", text)
        boxed = last_boxed(text) is not None or not problem.answer
        return text.strip() if boxed else f"{text.strip()}\n\\boxed{{{problem.answer}}}".strip()

    @property
    def mapping(self) -> Fields:
        """The fields in use."""
        if self.arithmetic or self.programs:
            return ARITHMETIC if self.arithmetic else PROGRAMS
        return MAPPINGS[self.fields] if isinstance(self.fields, str) else self.fields

    def columns(self) -> set[str]:
        """The columns that the mapping names."""
        fields = self.mapping
        single = (fields.statement, fields.answer, fields.solution, fields.id, fields.difficulty, fields.date)
        columns = (*single, fields.starter, fields.task, fields.example, *fields.tests)
        return {column for column in columns if column is not None}

    def _in_window(self, rows: Dataset, key: str) -> Dataset:
        if self.window is None:
            return rows
        column = self.window.column
        if column not in rows.column_names:
            raise UserError(f"{key}.window.column: {self.path} has no column {column!r}; it has {rows.column_names}")
        rows = rows.select([index for index, value in enumerate(rows[column]) if self.window.holds(value)])
        if not len(rows):
            raise UserError(f"{key}.window: no row of {self.path} is from {self.window.since} to {self.window.until}")
        return rows

    def _statement(self, row: dict[str, Any]) -> str:
        statement = _text_of(row[self.mapping.statement], "user")
        shown = row[self.mapping.example] if self.mapping.example else None
        return f"{statement}\n\nIt must pass this test:\n{shown[0]}" if shown else statement

    def _all(self, key: str) -> Dataset:
        if generator := self.arithmetic or self.programs:
            return Dataset.from_list(generator.rows())
        return load(str(self.path), self.config, self.split, f"{key}.path")

    def _chosen(self, rows: Dataset, key: str) -> Dataset:
        for column, values in self.where.items():
            if column not in rows.column_names:
                raise UserError(f"{key}.where: no column {column!r}; there are {sorted(rows.column_names)}")
            rows = rows.filter(lambda value, values=values: value in values, input_columns=column)
        return rows


BadRows = Literal["error", "exclude"]


def refuse_bad_rows(bad: dict[str, str], total: int, key: str, bad_rows: BadRows) -> None:
    """Report rows that can't be used ({row id: reason}): an error, or a printed list where the config excludes them."""
    if not bad:
        return
    shown = ", ".join(f"{row} ({reason})" for row, reason in list(bad.items())[:10]) + (
        f" and {len(bad) - 10} more" if len(bad) > 10 else ""
    )
    if bad_rows == "error":
        raise UserError(
            f"{key}: {len(bad)} of {total} rows can't be used: {shown}; mend them, or set bad_rows: exclude"
        )
    if len(bad) == total:
        raise UserError(f"{key}: none of the {total} rows can be used: {shown}")
    print(
        f"{key}: {len(bad)} of {total} rows excluded", *(f"  {row}: {reason}" for row, reason in bad.items()), sep="\n"
    )


def _text_of(value: Any, role: str) -> str:
    """A text; of a list of messages, the first of the role."""
    if isinstance(value, list):
        return next((str(message["content"]) for message in value if message["role"] == role), "")
    return str(value or "")


def _answer_of(value: Any, pattern: str | None) -> str:
    """Ground truth as text; whole floats lose their point (AMC stores 142.0)."""
    if value is None:
        return ""
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if pattern is None:
        return text.strip()
    found = re.search(pattern, text)
    return found.group(1).strip() if found else ""


def _task_of(value: Any, row: str) -> Task:
    if value not in ("math", "code"):
        raise UserError(f"{row}: task must be math or code, not {value!r}")
    return value


def _number_in(value: Any) -> float | None:
    found = re.search(r"-?\d+(\.\d+)?", str(value))
    return float(found.group()) if found else None
