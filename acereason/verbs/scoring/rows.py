"""This module reads the rows to score, one JSON object a line."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acereason.common.errors import UserError, first_line
from acereason.common.types import Problem
from acereason.data.values import Spelled, answers_of, identity_of, plain, whole
from acereason.rewards.code.formats import parse_tests
from acereason.rewards.registry import takes_tests, task_of

_EXPECTED = {True: "correct", False: "wrong", "correct": "correct", "wrong": "wrong", "error": "error"}


@dataclass
class Row:
    """A response with its ground truth."""

    problem: Problem
    response: str
    expected: str | None = None
    """Verdict that the file expects; None where the row names none."""


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a .jsonl file in order.

    Raises:
        UserError: a row can't be judged; it names the line and the reason.
    """
    if not path.is_file():
        raise UserError(f"input: no file {path}")
    names: dict[str, int] = {}
    # why: a byte that is no UTF-8 must cost no row its verdict
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                row = _row(line, number, place := f"{path}, line {number}")
                if (before := names.setdefault(row.problem.id, number)) != number:
                    raise UserError(f"{place}: has the id {row.problem.id} of line {before}; give each row its own")
                yield row


def _row(line: str, number: int, place: str) -> Row:
    try:
        # why: an answer such as 0.10 or 1e5 is judged as the file spells it, not as a float prints it
        value = json.loads(line, parse_int=whole, parse_float=Spelled)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place}: no JSON object: {first_line(error)}") from error
    if not isinstance(value, dict):
        raise UserError(f"{place}: no JSON object, but a {type(value).__name__}")
    name = _named(value.get("id", number), place)
    place += f" (id {name})"
    try:
        problem = _problem(value, name)
        return Row(problem, _response(value), _EXPECTED.get(_hashable(value.get("expected"))))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place}: {first_line(error)}") from error


def _problem(value: dict[str, Any], name: str) -> Problem:
    task = task_of(value.get("task") or ("math" if "answer" in value else "code"))
    problem = Problem(id=name, task=task, statement="", answer="")
    if takes_tests(task):
        problem.tests = parse_tests(plain(value.get("tests") or value))
    else:
        problem.answer, *problem.alternatives = _answers(value)
    return problem


def _named(value: Any, place: str) -> str:
    try:
        return identity_of(value)
    except ValueError as error:
        raise UserError(f"{place}: id must be a text or a number, not {value!r}") from error


def _answers(value: dict[str, Any]) -> list[str]:
    if "answer" not in value:
        raise ValueError("a math row needs an answer")
    try:
        answers = answers_of(answer := value["answer"])
    except ValueError:
        answers = []
    if not answers and not isinstance(answer, str):
        raise ValueError(f"answer must be a text, a number, or a list of them, not {answer!r}")
    return answers or [""]


def _response(value: dict[str, Any]) -> str:
    if isinstance(response := value.get("response"), str):
        return response
    if isinstance(program := value.get("program"), str) and response is None:
        return f"```python\n{program}\n```"
    raise ValueError("a row needs a response, as text")


def _hashable(value: Any) -> Any:
    # why: JSON may hold a list there, which can't be looked up in a dict; it expects nothing
    return value if isinstance(value, str | bool) else None
