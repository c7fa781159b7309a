import dataclasses
import pickle

import pytest

from acereason.common.types import CompressedTests, Problem, Tests
from acereason.rewards.code import compressed
from acereason.rewards.code.verdict import deadline
from acereason.rewards.pool import RewardPool
from acereason.rewards.settings import RewardSettings
from acereason.sampling.identity import problem_digest

SMALL = Tests("stdin", ["1\n"], ["1\n"])
LARGE = Tests("stdin", [f"{number}\n" * 4000 for number in range(9)], [f"{number}\n" for number in range(9)])


def problem(tests) -> Problem:
    return Problem("s/0", "code", "Print the first.", "", tests=tests)


def test_large_tests_are_kept_as_bytes_and_come_back():
    assert compressed.compress_large(SMALL) is SMALL
    held = compressed.compress_large(LARGE)
    assert isinstance(held, CompressedTests)
    assert len(pickle.dumps(held)) < len(pickle.dumps(LARGE)) / 10
    assert compressed.tests_of(problem(held)) == compressed.tests_of(problem(LARGE)) == LARGE
    assert (compressed.outline_of(problem(held)).kind, len(compressed.outline_of(problem(held)).inputs)) == ("stdin", 9)
    assert problem_digest(problem(held)) == problem_digest(problem(LARGE))


def test_a_problem_without_tests_says_so():
    with pytest.raises(ValueError, match="s/0: a code problem needs tests"):
        compressed.tests_of(problem(None))


def test_they_are_judged_the_same():
    settings = RewardSettings(workers=1)
    pool = RewardPool(settings)
    held = problem(compressed.compress_large(LARGE))
    assert deadline(compressed.outline_of(held), settings.code) == deadline(LARGE, settings.code)
    try:
        answers = ["```python\nprint(input())\n```", "```python\nprint(3)\n```"]
        for each in (held, dataclasses.replace(held, tests=LARGE)):
            assert [pool.submit(each, text).result().status for text in answers] == ["correct", "wrong"]
        assert pool.gold_problems([held]) == [None]
    finally:
        pool.close()
