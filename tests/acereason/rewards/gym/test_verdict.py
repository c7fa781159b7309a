"""Responses to reasoning-gym's problems, judged by its own scorers, in the pool and out of it."""

import inspect
import json
import re

import pytest

pytest.importorskip("reasoning_gym", reason="reasoning-gym is not installed; pip install acereason[reasoning-gym]")

import reasoning_gym
from reasoning_gym.factory import DATASETS

from acereason.common.types import Problem
from acereason.rewards.gym.guards import GUARDS
from acereason.rewards.gym.library import ground_truth
from acereason.rewards.gym.made import made
from acereason.rewards.gym.verdict import Gym, answer_of, scored
from acereason.rewards.pool import RewardPool, RewardSettings

GYM = Gym(RewardSettings())


def problem(dataset: str, seed: int = 1, **config: object) -> Problem:
    (entry,) = made(dataset, config, size=1, seed=seed)
    return Problem("p", "reasoning-gym", entry["question"], ground_truth(dataset, config, entry))


def own_answer(of: Problem) -> str:
    return json.loads(of.answer)["entry"]["answer"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"<think>\boxed{1}</think> so \boxed{2}", "2"),
        (r"<think>x</think> <answer>1</answer> \boxed{2}", "2"),
        (r"\boxed{\text{Ann and Bob}}", "Ann and Bob"),
        (r"\boxed{\texttt{a_b}}", "a_b"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        ("<answer>1</answer> or <answer>\n2\n3\n</answer>", "2\n3"),
        ("<think>1</think>\n2 3\n4 5\n", "2 3\n4 5"),
        ("7", ""),
        (r"\boxed{}", ""),
        ("<think>\n7", ""),
        ("", ""),
    ],
)
def test_the_answer_of_a_response(text, answer):
    assert answer_of(text) == answer


def test_a_response_is_judged_in_the_pool():
    asked = problem("chain_sum")
    right = own_answer(asked)
    pool = RewardPool(RewardSettings(workers=1))
    try:
        verdict = pool.submit(asked, rf"<think>hm</think> \boxed{{{right}}}").result()
        assert (verdict.status, verdict.reward) == ("correct", 1.0)
        assert verdict.detail["normal"] == right  # what majority votes count
        # the library's own rule for chain_sum: the share of a longer answer that is right
        verdict = pool.submit(asked, rf"\boxed{{= {right}}}").result()
        assert (verdict.status, verdict.reward) == ("wrong", pytest.approx(len(right) / (len(right) + 2)))
        assert pool.submit(asked, right).result().detail["path"] == "no answer"
        assert pool.gold_problems([asked, Problem("p", "reasoning-gym", "", "5")]) == [
            None,
            "no entry of reasoning-gym that can be scored: 'int' object is not subscriptable",
        ]
    finally:
        pool.close()


def test_the_scorer_has_the_data_sets_own_settings():
    """puzzle24 accepts numbers of its range only, which is a setting."""
    asked = problem("puzzle24", min_value=1, max_value=6)
    truth = json.loads(asked.answer)
    assert scored(truth, "6*4*1*1").status == "correct"
    assert scored(truth, "8*3*1*1").status == "wrong"
    truth["config"] = {"min_value": 1, "max_value": 10}
    assert scored(truth, "8*3*1*1").status == "correct"


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        ("chain_sum", None),
        ("propositional_logic", None),  # names no answer of its own
        ("game_of_life_halting", "reasoning-gym's game_of_life_halting accepts any answer"),
    ],
)
def test_which_entries_can_serve(dataset, told):
    # of game_of_life_halting's entries those are accepted whose answer is that it does not halt
    found = {GYM.ground_truth_problem(problem(dataset, seed)) for seed in range(6)}
    assert told in found
    assert found <= {None, told}


def test_an_answer_that_a_scorer_cannot_read_is_wrong():
    asked = problem("prime_factorization")
    assert scored(json.loads(asked.answer), own_answer(asked)).reward == 1.0
    verdict = scored(json.loads(asked.answer), "two times three")
    assert (verdict.status, verdict.reward, verdict.detail["path"]) == ("wrong", 0.0, "not read (ValueError)")


CODE = [
    "__import__('os').mkdir('{}')",
    "open('{}', 'w')",
    "[open('{}', 'w')]",
    "(lambda: open('{}', 'w'))()",
    "().__class__.__base__.__subclasses__()",
    "x.func('{}')",
    "9**9**9**9**9",
    "exec('1')",
    "f'{{open}}'",
]


@pytest.mark.parametrize("dataset", GUARDS)
def test_no_answer_is_run(dataset, tmp_path):
    asked = problem(dataset)
    truth = json.loads(asked.answer)
    assert scored(truth, own_answer(asked)).reward == 1.0, own_answer(asked)
    for text in CODE:
        # why: a power is a formula, which SymPy would compute for ever; the worker's deadline ends that
        if "**" in text and GUARDS[dataset](text):
            continue
        assert scored(truth, text.format(tmp_path / "made")).detail["path"] == "not the form of an answer", text
    assert not (tmp_path / "made").exists()


RUN_THEIR_OWN = {"basic_arithmetic", "bitwise_arithmetic", "codeio", "gsm_symbolic", "number_sorting"}
"""They call `eval` or `exec` on what the library itself has made."""


def test_every_scorer_that_runs_answers_is_guarded():
    runs = re.compile(r"(?<!def )\b(eval|exec|sympify|parse_expr)\(")
    files = {name: inspect.getsource(inspect.getmodule(owner)) for name, (owner, _) in DATASETS.items()}
    found = {name for name, source in files.items() if runs.search(source)}
    assert found - RUN_THEIR_OWN - {"propositional_logic"} == GUARDS.keys()  # a `parse_expr` of its own


@pytest.mark.slow
def test_every_data_set_serves_or_is_refused():
    """On two entries of each: the ground truth through JSON is scored as the entry itself is, or is refused."""
    refused = {"arc_agi", "rearc", "game_of_life_halting"}
    for name in sorted(DATASETS.keys() - {"composite"}):
        dataset = reasoning_gym.create_dataset(name, size=2, seed=3)
        for entry in (dataset[0], dataset[1]):
            asked = Problem("p", "reasoning-gym", "", ground_truth(name, {}, entry))
            told = GYM.ground_truth_problem(asked)
            assert told is None or name in refused, (name, told)
            if told is None and entry["answer"] is not None:
                assert scored(json.loads(asked.answer), entry["answer"]).reward == 1.0, name
