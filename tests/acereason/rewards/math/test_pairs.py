"""Pairs of answers with the verdict that a mathematician gives, by the kind of what differs in their spelling."""

import contextlib
from pathlib import Path

import pytest

from acereason.rewards.math.compare import Comparison
from acereason.rewards.math.settings import MathSettings
from acereason.rewards.math.verdict import gold_problem, verify

LINES = Path("tests/data/answers.txt").read_text("utf-8").splitlines()
PAIRS = [(line[0], *line[2:].split(" | ")) for line in LINES if not line.startswith("#")]


@pytest.mark.parametrize("start", range(0, len(PAIRS), 40))
def test_pairs(start):
    for sign, response, answer in PAIRS[start : start + 40]:
        verdict = verify(rf"\boxed{{{response}}}", answer)
        assert verdict.status == ("correct" if sign == "=" else "wrong"), (response, answer, verdict)


class Expression(Exception):
    """Two expressions are reached, which only math-verify can compare."""


def expression(*pair: object) -> tuple[bool, str]:
    raise Expression


def test_text_and_numbers_alone_decide_most_pairs_and_none_otherwise():
    comparison, decided = Comparison(MathSettings(), expression), 0
    for sign, response, answer in PAIRS:
        with contextlib.suppress(Expression):
            outcome = comparison.compare(answer, response)
            assert outcome.equal == (sign == "="), (response, answer, outcome)
            decided += 1
    assert decided > len(PAIRS) / 2


def test_each_ground_truth_can_serve():
    assert {answer: told for _, _, answer in PAIRS if (told := gold_problem(answer)) is not None} == {}
