"""This module makes problems, as verifiers take them, of the prompts in the table."""

from typing import Any

from acereason.common.types import Problem, Tests
from acereason.data.values import answers_of
from acereason.rewards.code.formats import parse_tests
from acereason.rewards.registry import takes_tests


def problem_of(row: dict[str, Any]) -> Problem:
    """Make a problem of a row with id, task, answer and tests."""
    problem = Problem(row["id"], row["task"], "", "")
    if takes_tests(problem.task):
        problem.tests = _tests(row["tests"])
    else:
        problem.answer, *problem.alternatives = answers_of(row["answer"]) or [""]
    return problem


def has_ground_truth(problem: Problem) -> bool:
    """Return whether a problem has an answer or tests to judge a response by."""
    return bool(problem.answer.strip()) or problem.tests is not None


def _tests(text: str | None) -> Tests | None:
    """Return the tests; None where there are none, or none that can be read."""
    try:
        return parse_tests(text)
    except ValueError:
        return None
