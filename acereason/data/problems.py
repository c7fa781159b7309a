r"""Sources of problems: files and Hub datasets with declared fields, or a generator.

A source's rows become problems: a statement, and as ground truth an answer (math) or tests (code).
"""

import re
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Any, TypeVar

from datasets import Dataset

from acereason.common.errors import UserError, first_line
from acereason.common.types import Problem, Task, Tests
from acereason.data.arithmetic import Arithmetic
from acereason.data.bad_rows import BadRow
from acereason.data.fields import ARITHMETIC, MAPPINGS, PROGRAMS, REASONING_GYM, Fields
from acereason.data.messages import NO_STATEMENT, response_of, statement_of
from acereason.data.programs import Programs
from acereason.data.reading import load
from acereason.data.reasoning_gym import ReasoningGym
from acereason.data.values import answers_of, check_unicode, identity_of, number_of, plain, text_of
from acereason.data.where import Asked, Range, cells, holds
from acereason.data.window import Window
from acereason.rewards.code.formats import parse_tests
from acereason.rewards.math.boxes import last_boxed
from acereason.rewards.math.verdict import ground_truth
from acereason.rewards.registry import judges_entries, takes_tests, task_of

T = TypeVar("T")
_MADE_UP = {"arithmetic": ARITHMETIC, "programs": PROGRAMS, "reasoning_gym": REASONING_GYM}
"""{key of a generator: fields of its rows}"""


@dataclass
class Source:
    """One source of problems: a `path`, or a generator."""

    path: str | None = None
    """A .jsonl, .json (both also .gz), .parquet or .arrow file; a folder of them, or a pattern such as
    `runs/teacher/*/*.parquet`, unless a file or folder has just this name; the name of a dataset on the Hub, or files
    there: hf://datasets/OWNER/NAME/FILE, which may hold a *."""
    fields: str | Fields = "math"
    """Name of a known mapping (`MAPPINGS`: gsm8k, math, math500, matharena, aime, acereason-math, acereason-sft, sft,
    curated, curated-code, rated, taco, apps, livecodebench, acereason-code, deepcoder, deepcoder-lcbv5, humaneval,
    mbpp, mbppplus), or the columns."""
    task: Task = "math"
    """Task of the rows, which decides the verifier and the template's instruction; a column of tasks in the mapping
    decides instead."""
    split: str = "train"
    """Split of a Hub dataset, or a part of it: train[2000:]. Files have only one, whatever its name, of which a part
    may be taken in the same way."""
    config: str | None = None
    """Configuration (subset) of a Hub dataset, or of a folder that is laid out as one; null: its only one."""
    where: dict[str, list[Asked] | Range] = field(default_factory=dict)
    """Take only rows whose columns hold one of these values: {status: [correct], level: [4, 5]}. 5, 5.0 and "5" are the
    same, and true and "true"; null finds rows without a value. Or a number in a range, its bounds included: {pass_rate:
    {most: 0.375}, mean_tokens: {least: 2000, most: 4000}}."""
    window: Window | None = None
    """Take the rows of these dates only; null takes all."""
    limit: int | None = None
    """Take the first rows only, of those in the window; null takes all."""
    arithmetic: Arithmetic | None = None
    """Made-up math problems instead of a path."""
    programs: Programs | None = None
    """Made-up code problems instead of a path; with `task: code`."""
    reasoning_gym: ReasoningGym | None = None
    """Problems that reasoning-gym makes up instead of a path; with `task: reasoning-gym` (extra `reasoning-gym`)."""

    def check(self, key: str) -> None:
        """Raise a UserError for a value that can't work; `key` names this source."""
        if (self.path is not None) + len(self._generators) != 1:
            raise UserError(f"{key}: give one of path, arithmetic, programs and reasoning_gym, and null for the others")
        if isinstance(self.fields, str) and self.fields not in MAPPINGS:
            raise UserError(f"{key}.fields: {self.fields!r} is no known mapping; there are {sorted(MAPPINGS)}")
        if self.programs and not takes_tests(self.task):
            raise UserError(f"{key}.task: must be code for programs, not {self.task}")
        if self.reasoning_gym and not judges_entries(self.task):
            raise UserError(f"{key}.task: must be reasoning-gym for reasoning_gym, not {self.task}")
        for column, asked in self.where.items():
            if isinstance(asked, Range):
                asked.check(f"{key}.where.{column}")
        if self.window:
            self.window.check(f"{key}.window")
        for name, generator in self._generators.items():
            generator.check(f"{key}.{name}")

    def rows(self, key: str) -> Dataset:
        """Read the raw rows. `key` names this source in errors."""
        self.check(key)
        # why: the limit comes last: the first rows of those that `where` and the window leave
        rows = self._in_window(self._chosen(self._all(key), key), key)
        rows = rows if self.limit is None else rows.select(range(min(self.limit, len(rows))))
        if not len(rows):
            raise UserError(f"{key}: {self.path} has no rows" + (f" where {self.where}" if self.where else ""))
        if missing := self.columns(rows.column_names) - set(rows.column_names):
            has = ", ".join(map(repr, sorted(rows.column_names)[:30]))
            raise UserError(f"{key}.fields: {self.path} has no column {sorted(missing)[0]!r}; its columns are [{has}]")
        return rows

    def problem(self, row: dict[str, Any], index: int, name: str) -> Problem:
        """Convert a row to a problem without its tests; the answer is empty if the row has none.

        Raises:
            BadRow: the row can't be a problem; says why.
        """
        # why: until its id has been read, an error names the row by its number
        named = f"{name}/{index}"
        try:
            named = f"{name}/{self._identity(row, index)}"
            answer, *others = self._answers(row) or [""]
            problem = Problem(
                id=named,
                task=self._task(row),
                statement=self._statement(row),
                answer=answer,
                alternatives=others,
                starter=self._read(row, self.mapping.starter, text_of) or "",
                source=name,
                difficulty=self._read(row, self.mapping.difficulty, number_of),
            )
            # why: here, where the row is known: a tokenizer or a writer would fail on it much later
            for text in (problem.id, problem.statement, problem.answer, *problem.alternatives, problem.starter):
                check_unicode(text)
            return problem
        except (ValueError, RecursionError) as error:
            raise BadRow(named, first_line(error)) from error

    def tests(self, row: dict[str, Any]) -> Tests:
        """Read the tests of a code problem's row.

        Raises:
            ValueError: it has none that can be used; says why in one line.
        """
        columns = self.mapping.tests
        if not columns:
            raise ValueError("no columns of tests are named (fields.tests)")
        cells = {name: plain(row[name]) for name in columns}
        return parse_tests(cells[columns[0]] if len(columns) == 1 else cells)

    def solution(self, row: dict[str, Any], problem: Problem) -> str:
        """Return the response that SFT learns.

        Raises:
            BadRow: its cell is no text; says what it is.
        """
        fields = self.mapping
        if fields.solution is None:
            return f"\\boxed{{{problem.answer}}}" if problem.answer else ""
        try:
            text = self._read(row, fields.solution, response_of) or ""
            check_unicode(text)
        except (ValueError, RecursionError) as error:
            raise BadRow(problem.id, first_line(error)) from error
        text = (re.sub(fields.remove_pattern, "", text) if fields.remove_pattern else text).strip()
        # why: people's solutions have no box, without which the verifier finds no answer
        needs_box = fields.worked and text and problem.answer and last_boxed(text) is None
        return f"{text}\n\\boxed{{{problem.answer}}}" if needs_box else text

    @property
    def mapping(self) -> Fields:
        """The names of the columns in use."""
        if generator := next(iter(self._generators), None):
            return _MADE_UP[generator]
        return MAPPINGS[self.fields] if isinstance(self.fields, str) else self.fields

    @property
    def _generators(self) -> dict[str, Any]:
        """{key: the generator there}; at most one in a source that can work."""
        return {name: value for name in _MADE_UP if (value := getattr(self, name)) is not None}

    def columns(self, there: list[str] | None = None) -> set[str]:
        """Return the columns that the mapping names; of several for the id, the first of those that are `there`."""
        fields = self.mapping
        single = (fields.statement, fields.answer, fields.solution, fields.difficulty, fields.date)
        columns = (*single, _first(fields.id, there or []), fields.starter, fields.task, fields.example, *fields.tests)
        return {column for column in columns if column is not None}

    def _in_window(self, rows: Dataset, key: str) -> Dataset:
        if self.window is None:
            return rows
        column = self.window.column
        if column not in rows.column_names:
            raise UserError(f"{key}.window.column: {self.path} has no column {column!r}; it has {rows.column_names}")
        try:
            rows = rows.select([place for place, day in enumerate(cells(rows, column)) if self.window.holds(day)])
        except ValueError as error:
            raise UserError(f"{key}.window.column: {self.path}, column {column!r}: {error}") from error
        if not len(rows):
            raise UserError(f"{key}.window: no row of {self.path} is from {self.window.since} to {self.window.until}")
        return rows

    def _identity(self, row: dict[str, Any], index: int) -> str:
        column = _first(self.mapping.id, row)
        return str(index) if column is None else identity_of(row[column])

    def _task(self, row: dict[str, Any]) -> Task:
        value = self.task if self.mapping.task is None else row[self.mapping.task]
        return task_of(value)

    def _statement(self, row: dict[str, Any]) -> str:
        fields = self.mapping
        answered_elsewhere = fields.solution != fields.statement
        statement = self._read(row, fields.statement, lambda cell: statement_of(cell, answered_elsewhere)) or ""
        shown = row[fields.example] if fields.example else None
        return f"{statement}\n\nIt must pass this test:\n{text_of(shown[0])}" if shown else statement

    def _answers(self, row: dict[str, Any]) -> list[str]:
        """Return the acceptable answers; if the column is that of solutions, the last box."""
        fields = self.mapping
        if fields.answer is None:
            return []
        if fields.answer_pattern is not None:
            found = re.search(fields.answer_pattern, self._read(row, fields.answer, text_of) or "")
            return [text] if found and (text := found.group(1).strip()) else []
        if fields.answer != fields.solution:
            return self._read(row, fields.answer, answers_of) or []
        text = self._read(row, fields.answer, response_of) or ""
        answer = ground_truth(text).strip()
        # why: without a box or a final sentence the whole solution comes back, which is no answer
        return [answer] if answer and answer != text.strip() else []

    def _read(self, row: dict[str, Any], column: str | None, read: Callable[[Any], T]) -> T | None:
        """Read a cell, and name its column in errors; None if no column is given."""
        if column is None:
            return None
        try:
            return read(row[column])
        except ValueError as error:
            reason = str(error)
            raise ValueError(reason if reason == NO_STATEMENT else f"{column}: {reason}") from error

    def _all(self, key: str) -> Dataset:
        for generator in self._generators.values():
            return Dataset.from_list(generator.rows())
        return load(str(self.path), self.config, self.split, f"{key}.path")

    def _chosen(self, rows: Dataset, key: str) -> Dataset:
        self.check_where(rows, key)
        for column, asked in self.where.items():
            rows = rows.select([place for place, cell in enumerate(cells(rows, column)) if holds(cell, asked)])
        return rows

    def check_where(self, rows: Dataset, key: str) -> None:
        """Raise a UserError for a column of `where` that the rows lack."""
        for column in self.where:
            if column not in rows.column_names:
                raise UserError(f"{key}.where: no column {column!r}; there are {sorted(rows.column_names)}")


def _first(names: str | list[str] | None, there: Container[str]) -> str | None:
    """Return a column, or of several the first that is there, else the first."""
    if isinstance(names, list):
        return next((name for name in names if name in there), names[0] if names else None)
    return names
