"""This module makes problems, as verifiers take them, of the prompts in the table."""

from acereason.common.types import Problem, Tests
from acereason.data.values import answers_of
from acereason.rewards.code.formats import parse_tests


def problem_of(row: dict[str, str]) -> Problem:
    """Make a problem of a row with id, task, answer and tests."""
    if row["task"] == "math":
        answer, *others = answers_of(row["answer"]) or [""]
        return Problem(row["id"], "math", "", answer, others)
    return Problem(row["id"], "code", "", "", tests=_tests(row["tests"]))


def has_ground_truth(problem: Problem) -> bool:
    """Return whether a problem has an answer or tests to judge a response by."""
    return bool(problem.answer.strip()) if problem.task == "math" else problem.tests is not None


def _tests(text: str | None) -> Tests | None:
    """Return the tests; None where there are none, or none that can be read."""
    try:
        return parse_tests(text)
    except ValueError:
        return None
