"""Rows to score: one JSON object a line."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acereason.errors import UserError, first_line
from acereason.rewards.tests import parse_tests
from acereason.types import Problem

_EXPECTED = {True: "correct", False: "wrong", "correct": "correct", "wrong": "wrong", "error": "error"}


@dataclass
class Row:
    """One response with its ground truth."""

    problem: Problem
    response: str
    expected: str | None = None
    """The verdict that the file expects, where it says so."""


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a .jsonl file in order, one at a time.

    Raises:
        UserError: for the first row that can't be judged, with its line and what is wrong.
    """
    if not path.is_file():
        raise UserError(f"input: no file {path}")
    with path.open(encoding="utf-8", errors="surrogateescape") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _row(line, number, f"{path}, line {number}")


def _row(line: str, number: int, place: str) -> Row:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place}: no JSON object: {first_line(error)}") from error
    if not isinstance(value, dict):
        raise UserError(f"{place}: no JSON object, but a {type(value).__name__}")
    name = value.get("id", number)
    if not isinstance(name, str | int):
        raise UserError(f"{place}: id must be a text or a number, not {name!r}")
    place += f" (id {name})"
    try:
        problem = _problem(value, str(name))
        return Row(problem, _response(value), _EXPECTED.get(_hashable(value.get("expected"))))
    except ValueError as error:
        raise UserError(f"{place}: {first_line(error)}") from error


def _problem(value: dict[str, Any], name: str) -> Problem:
    task = value.get("task") or ("math" if "answer" in value else "code")
    if task == "math":
        first, *others = _answers(value)
        return Problem(id=name, task="math", statement="", answer=first, alternatives=others)
    if task == "code":
        return Problem(id=name, task="code", statement="", answer="", tests=parse_tests(value.get("tests") or value))
    raise ValueError(f"task must be math or code, not {task!r}")


def _answers(value: dict[str, Any]) -> list[str]:
    if "answer" not in value:
        raise ValueError("a math row needs an answer")
    answers = value["answer"] if isinstance(value["answer"], list) else [value["answer"]]
    if not answers or not all(isinstance(answer, str | int | float) for answer in answers):
        raise ValueError(f"answer must be a text, a number, or a list of them, not {value['answer']!r}")
    return [str(answer) for answer in answers]


def _response(value: dict[str, Any]) -> str:
    if isinstance(response := value.get("response"), str):
        return response
    if isinstance(program := value.get("program"), str) and response is None:
        return f"```python\n{program}\n```"
    raise ValueError("a row needs a response, as text")


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | bool) else None
