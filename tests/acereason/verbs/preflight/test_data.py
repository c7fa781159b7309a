from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from acereason.common.types import Problem, Verdict
from acereason.rewards.judge.settings import JudgeSettings
from acereason.rewards.pool import RewardPool, RewardSettings
from acereason.verbs.preflight.checks import Checks
from acereason.verbs.preflight.data import (
    check_judge,
    check_lengths,
    check_unique,
    check_verifier,
    histogram,
    near_miss,
)
from tests.support.fakes import problem
from tests.support.judge_server import JudgeServer, honest


class Verifier:
    """Calls the responses of some problems correct, whatever they say."""

    def __init__(self, fooled: set[str]) -> None:
        self.fooled, self.settings = fooled, SimpleNamespace(max_error_rate=0.05, weights={})

    def submit(self, problem, text, asking):
        verdict: Future[Verdict] = Future()
        verdict.set_result(Verdict("correct" if problem.id in self.fooled else "wrong"))
        return verdict


@pytest.mark.parametrize(("fooled", "status"), [(0, "ok"), (5, "warning"), (6, "failure")])
def test_a_verifier_that_is_fooled(fooled, status):
    checks, problems = Checks(), [problem(name=str(i)) for i in range(100)]
    check_verifier(checks, "data.sources.x", problems, Verifier({str(i) for i in range(fooled)}))
    assert [check.status for check in checks.found] == [status] * 2
    if fooled:
        assert (
            checks.found[1].message
            == f"a near miss is not judged wrong for {fooled} of 100: 0, 1, 2 and {fooled - 3} more"
        )


@pytest.mark.parametrize(
    ("answer", "miss"),
    [("5", "6"), ("-9", "-10"), ("0.50", "0.51"), ("1,000", "1,001"), (r"\frac{1}{2}", r"\frac{1}{3}"), ("x", "x+1")],
)
def test_near_misses(answer, miss):
    assert near_miss(problem(answer=answer)) == f"\\boxed{{{miss}}}"


def test_lengths():
    checks = Checks()
    check_lengths(checks, "data.sources.x", list(range(1, 101)), room=4096)
    assert "100 prompts ▇▇▇" in checks.found[0].message or "100 prompts █" in checks.found[0].message
    assert "median 50" in checks.found[0].message
    assert "longest 100 of 4,096 tokens" in checks.found[0].message


def test_quantiles_of_few_lengths_lie_among_them():
    checks = Checks()
    check_lengths(checks, "k", [10, 20], 100)
    assert "5 % 10, median 15, 95 % 20, longest 20" in checks.found[0].message


def test_the_histogram_begins_at_zero():
    assert histogram([100]) == "·" * 11 + "█"
    assert histogram([10, 10, 10, 10, 120]) == "·█·········▂"


def test_duplicates():
    checks = Checks()
    check_unique(checks, "data.sources.x", [problem(name="a"), problem(name="a"), problem(name="b")])
    assert [(check.key, check.status) for check in checks.found] == [
        ("data.sources.x.fields.id", "failure"),
        ("data.sources.x", "warning"),
    ]


def judged(url: str) -> RewardSettings:
    return RewardSettings(workers=1, functions="judge", judge=JudgeSettings(url=url, model="m", timeout=300))


@pytest.mark.parametrize(
    ("say", "status", "told"),
    [
        (lambda prompt, number: honest(prompt), "ok", "m answers; a right response to a made-up problem gets 1 in "),
        (
            lambda prompt, number: "Fine.",
            "failure",
            "m gives no verdict on a made-up problem: the judge",
        ),
    ],
)
def test_a_judge_is_asked_once(say, status, told):
    server = JudgeServer(say)
    try:
        check_judge(checks := Checks(), judged(server.url))
        pool = RewardPool(judged(server.url))
        # of many problems it is not asked, and nothing else can judge them
        check_verifier(checks, "data.sources.mine", [Problem("p", "math", "1+1", "2")], pool)
        pool.close()
    finally:
        server.close()
    (first, second) = checks.found
    assert (first.key, first.status) == ("rewards.judge", status)
    assert first.message.startswith(told)
    assert (second.key, second.status) == ("data.sources.mine", "ok")
    assert len(server.bodies) == 1


def test_without_a_judge_nothing_is_said():
    check_judge(checks := Checks(), RewardSettings())
    assert checks.found == []
