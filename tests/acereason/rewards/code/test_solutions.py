"""Programs that solve their task are correct in every style of tests, and their broken twins are wrong."""

import pytest

from acereason.rewards.code.formats import parse_tests
from acereason.rewards.code.settings import CodeSettings
from acereason.rewards.code.verdict import verify
from tests.support import object_programs as objects
from tests.support import solved_tasks as solutions

ROWS = [*solutions.rows(), *objects.SPECIAL]


def status(program, tests, **settings):
    verdict = verify(f"```python\n{program}\n```", parse_tests(tests), CodeSettings(seconds=3, **settings))
    return verdict.status, verdict.detail.get("error") or verdict.detail.get("note")


def test_they_are_many_and_differ():
    assert len({(program, str(tests)) for _, program, tests, _ in [*ROWS, *objects.NUMPY]}) >= 250
    assert all(old in program for _, program, _, (old, _) in [*ROWS, *objects.NUMPY])


def cases():
    """Every fifth is a fast test."""
    for number, (name, *row) in enumerate(ROWS):
        yield pytest.param(*row, id=name, marks=[pytest.mark.slow] if number % 5 else [])


@pytest.mark.parametrize(("program", "tests", "broken"), cases())
def test_solution(program, tests, broken):
    assert status(program, tests) == ("correct", None)
    assert status(program.replace(*broken), tests)[0] == "wrong"


@pytest.mark.parametrize(("program", "tests", "broken"), [pytest.param(*row[1:], id=row[0]) for row in objects.NUMPY])
def test_solution_with_numpy(program, tests, broken):
    assert status(program, tests, packages=["numpy"]) == ("correct", None)
    assert status(program.replace(*broken), tests, packages=["numpy"])[0] == "wrong"
    assert status(program, tests)[0] == "wrong"  # it is no package that programs may import
