"""Equal responses to a problem are judged once, and each gets a verdict of its own."""

from concurrent.futures import Future

import pytest

from acereason.common.types import Problem, Verdict
from acereason.rewards.code.formats import parse_tests
from acereason.rewards.code.program import is_certain
from acereason.rewards.code.verdict import Code
from acereason.rewards.equals import Equals
from acereason.rewards.math.verdict import Math
from acereason.rewards.pool import RewardPool, RewardSettings
from tests.support.fakes import problem

DOUBLE = parse_tests({"inputs": ["1\n", "4\n"], "outputs": ["2\n", "8\n"]})
ANSWER = "```python\nprint(2 * int(input()))\n```"


class Judge:
    """Counts how often it is asked, and answers when told."""

    def __init__(self) -> None:
        self.begun: list[Future[Verdict]] = []

    def __call__(self) -> "Future[Verdict]":
        self.begun.append(Future())
        return self.begun[-1]


def test_equal_responses_wait_for_one_verdict_and_get_one_each():
    equals, judge, asked = Equals(), Judge(), problem()
    futures = [equals.verdict(Math, asked, text, judge) for text in ("a", "b", "a", "a")]
    assert len(judge.begun) == 2
    assert not any(future.done() for future in futures)
    judge.begun[0].set_result(Verdict("correct", {"path": "x", "seconds": 0.5}))
    judge.begun[1].set_result(Verdict("wrong", {"path": "y", "seconds": 0.25}))
    verdicts = [future.result(0) for future in futures]
    assert [verdict.status for verdict in verdicts] == ["correct", "wrong", "correct", "correct"]
    assert [verdict.detail["seconds"] for verdict in verdicts] == [0.5, 0.25, 0.0, 0.0]
    verdicts[0].detail["path"] = "changed"
    assert verdicts[2].detail["path"] == equals.verdict(Math, asked, "a", judge).result(0).detail["path"] == "x"


def test_another_problem_or_verifier_is_judged_anew():
    equals, judge, one, other = Equals(), Judge(), problem(), problem()
    for asked, verifier in ((one, Math), (one, Code), (other, Math), (one, Math)):
        equals.verdict(verifier, asked, "a", judge)
    assert len(judge.begun) == 4


def test_an_error_is_judged_anew():
    equals, judge, asked = Equals(), Judge(), problem()
    equals.verdict(Math, asked, "a", judge)
    judge.begun[0].set_result(Verdict("error", {"error": "died"}))
    equals.verdict(Math, asked, "a", judge)
    assert len(judge.begun) == 2


def test_a_subclass_that_judges_in_another_way_shares_nothing():
    class Mine(Math):
        def judge(self, problem: Problem, text: str) -> bool:
            return False

    class Explained(Math):
        def explain(self, problem: Problem, text: str) -> bool:
            return False

    settings = RewardSettings()
    assert [kind(settings).decisive("x") for kind in (Math, Mine, Explained)] == ["x", None, "x"]


@pytest.mark.parametrize(
    ("program", "certain"),
    [
        ("print(37*int(input())-58)", True),
        ("n = int(input())\nfor _ in range(n): print(sorted(set(str(n))))", True),
        ("print(randint(0, 1))", False),
        ("import random\nprint(random.random())", False),
        ("print(datetime.now())", False),
        ("print(id(3) % 2)", False),
        ("print(__import__('time').time())", False),
        ("print(stdin.fileno())", False),
    ],
)
def test_a_program_is_certain_where_no_word_names_what_differs_between_runs(program, certain):
    assert is_certain(program) == certain


def test_a_pool_runs_equal_programs_once_and_others_each_time():
    asked = Problem("double", "code", "", "", tests=DOUBLE)
    around = [f"Let me see, {number}.\n{ANSWER}" for number in range(3)]
    draws = "```python\nprint(2 * int(input()) + 0 * randint(0, 9))\n```"
    pool = RewardPool(RewardSettings(workers=1))
    try:
        verdicts = [pool.submit(asked, text).result() for text in (*around, draws, draws)]
    finally:
        pool.close()
    assert [verdict.status for verdict in verdicts] == ["correct"] * 5
    assert [verdict.detail["seconds"] > 0 for verdict in verdicts] == [True, False, False, True, True]
    assert verdicts[1].detail["tests"] == ["passed", "passed"]
