"""Rewards of a user's own, in the pool."""

import pytest

from acereason.common.errors import UserError
from acereason.common.types import Problem, Verdict
from acereason.rewards.functions import weighted
from acereason.rewards.pool import RewardPool, RewardSettings
from acereason.rewards.verifier import as_verdict

OWN = "tests.support.own_rewards"
PROBLEM = Problem("p", "math", "abcd", "7", prompt_ids=[1, 2])


def settings(**functions: float) -> RewardSettings:
    named = {name if name == "verifier" else f"{OWN}.{name}": weight for name, weight in functions.items()}
    return RewardSettings(workers=1, timeout=1.5, functions=named)


@pytest.fixture
def judged():
    """Verdicts by these functions, of a pool that is closed at the end."""
    pools = []

    def judge(text: str, **functions: float) -> Verdict:
        pools.append(RewardPool(settings(**functions)))
        return pools[-1].submit(PROBLEM, text).result()

    yield judge
    for pool in pools:
        pool.close()


def test_a_function_decides_alone(judged):
    verdict = judged("7", exact=1.0)
    assert (verdict.status, verdict.reward) == ("correct", 1.0)
    assert verdict.detail["functions"] == {f"{OWN}.exact": {"reward": 1.0}}
    assert verdict.detail["path"] == f"{OWN}.exact"
    verdict = judged(r"\boxed{7}", exact=1.0)
    assert (verdict.status, verdict.reward) == ("wrong", 0.0)


def test_the_reward_is_the_weighted_sum_and_the_first_decides_what_is_correct(judged):
    # of abcd the response has b, d: 1.0 * 1 + 0.2 * 2 / 4
    verdict = judged(r"bd \boxed{7}", verifier=1.0, share=0.2)
    assert (verdict.status, verdict.reward) == ("correct", pytest.approx(1.1))
    assert verdict.detail["answer"] == "7"
    assert verdict.detail["functions"][f"{OWN}.share"]["reward"] == 0.5
    # the same two, the other first: half a point is not correct
    verdict = judged(r"bd \boxed{7}", share=0.2, verifier=1.0)
    assert (verdict.status, verdict.reward) == ("wrong", pytest.approx(1.1))
    # weights may be negative and need not sum to 1: 2 * 0 - 3 * 2
    verdict = judged("8", verifier=2.0, double=-3.0)
    assert (verdict.status, verdict.reward) == ("wrong", -6.0)
    assert verdict.detail["functions"][f"{OWN}.double"]["seen"] == "8"


@pytest.mark.parametrize(
    ("function", "error"),
    [
        ("raises", "KeyError: 'no such letter'"),
        ("hangs", "timeout after 1.5 s"),
        ("dies", "the verifier's process died (exit code 7)"),
        ("nothing", "TypeError: returned None, which is no truth value, number or Verdict"),
        ("infinite", "ValueError: returned inf, which is no finite number"),
        ("unwritable", "TypeError: Object of type object is not JSON serializable"),
    ],
)
def test_a_function_that_fails_is_an_error_never_a_zero(judged, function, error):
    verdict = judged(r"\boxed{7}", verifier=1.0, **{function: 0.1})
    assert (verdict.status, verdict.reward) == ("error", None)
    assert verdict.detail["error"] == f"{OWN}.{function}: {error}"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("exact", "exact: name it as MODULE.FUNCTION"),
        (f"{OWN}.absent", f"{OWN} has no function or class absent"),
        ("nowhere.at_all", "ModuleNotFoundError: No module named 'nowhere'"),
        (f"{OWN}.one", r"takes \(problem: .*Problem\) -> bool, not \(problem, text\)"),
        (f"{OWN}.Plain", "Plain: a class must be one of acereason.rewards.verifier.Verifier"),
        (f"{OWN}.Headless", "Can't instantiate abstract class Headless"),
    ],
)
def test_a_wrong_name_is_told_in_one_line(name, told):
    with pytest.raises(UserError, match=rf"^rewards\.functions: .*{told}"):
        RewardPool(RewardSettings(functions={name: 1.0}))


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_a_weight_that_is_no_number_is_told(weight):
    with pytest.raises(
        ValueError, match=rf"rewards\.functions: the weight of a\.b must be a finite number, not {weight}"
    ):
        RewardSettings(functions={"a.b": weight})


def test_a_verifier_of_ones_own():
    pool = RewardPool(settings(Choice=1.0))
    try:
        letter = Problem("p", "math", "Which?", "B")
        texts = {"so B": "correct", "so C": "wrong", "": "wrong", "raise": "error"}
        assert {text: pool.submit(letter, text).result().status for text in texts} == texts
        assert pool.submit(letter, "").result().detail["path"] == "a look"
        assert "looked too closely" in pool.submit(letter, "raise").result().detail["error"]
        assert pool.gold_problems([letter, PROBLEM]) == [None, "the answer is no letter"]
        assert pool.explain(letter, "so B").status == "correct"
    finally:
        pool.close()


@pytest.mark.parametrize(
    ("judgement", "status", "reward"),
    [
        (True, "correct", 1.0),
        (False, "wrong", 0.0),
        (1, "correct", 1.0),
        (0.99, "wrong", 0.99),
        (1.5, "correct", 1.5),
        (-2, "wrong", -2.0),
        (Verdict("correct", {}, 0.3), "correct", 0.3),
        (Verdict("error", {"error": "no"}), "error", None),
    ],
)
def test_what_a_judgement_means(judgement, status, reward):
    verdict = as_verdict(judgement)
    assert (verdict.status, verdict.reward) == (status, reward)


def test_scalars_of_other_libraries(judged):
    assert judged("any", scalar=2.0).reward == 0.5


def test_an_error_of_the_first_keeps_what_the_others_said():
    both = {"a.b": Verdict("error", {"error": "no"}), "c.d": Verdict("correct", {"seconds": 0.5})}
    assert weighted(both, {"a.b": 1.0, "c.d": 1.0}) == Verdict(
        "error",
        {
            "error": "a.b: no",
            "functions": {"a.b": {"reward": None}, "c.d": {"reward": 1.0, "seconds": 0.5}},
            "seconds": 0.5,
        },
    )
