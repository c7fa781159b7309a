"""Pairs of answers with the verdict that a mathematician gives, by the kind of what differs in their spelling."""

from pathlib import Path

import pytest

from acereason.rewards.math.verdict import gold_problem, verify, verify_quickly

LINES = Path("tests/data/answers.txt").read_text("utf-8").splitlines()
PAIRS = [(line[0], *line[2:].split(" | ")) for line in LINES if not line.startswith("#")]


@pytest.mark.parametrize("start", range(0, len(PAIRS), 40))
def test_pairs(start):
    for sign, response, answer in PAIRS[start : start + 40]:
        verdict = verify(rf"\boxed{{{response}}}", answer)
        assert verdict.status == ("correct" if sign == "=" else "wrong"), (response, answer, verdict)


def test_the_quick_look_says_the_same_or_nothing():
    decided = 0
    for sign, response, answer in PAIRS:
        if (verdict := verify_quickly(rf"\boxed{{{response}}}", answer)) is not None:
            assert verdict.status == ("correct" if sign == "=" else "wrong"), (response, answer, verdict)
            decided += 1
    assert decided > len(PAIRS) / 2


def test_each_ground_truth_can_serve():
    assert {answer: told for _, _, answer in PAIRS if (told := gold_problem(answer)) is not None} == {}
