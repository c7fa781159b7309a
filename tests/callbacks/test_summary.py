import json

import pytest
import torch

from acereason.evaluation.accuracy import Accuracy
from callbacks import Summary
from tests.support.fakes import FakeModule, fake_trainer


def step(reward: float) -> dict[str, float]:
    return {
        "response/tokens": 10.0,
        "reward/mean": reward,
        "policy/entropy": 0.3,
        "time/rollout": 2.0,
        "time/reward": 0.5,
        "time/train": 1.0,
    }


def test_first_and_last_are_means_over_a_tenth_of_the_steps():
    summary = Summary()
    for number in range(20):
        summary.record("math_8k", step(number / 20))
    entry = summary.summary()["stages"]["math_8k"]
    assert (entry["steps"], entry["response_tokens"]) == (20, 200)
    assert entry["reward/mean"]["first"] == pytest.approx((0 + 0.05) / 2)
    assert entry["reward/mean"]["last"] == pytest.approx((0.90 + 0.95) / 2)
    assert summary.summary()["seconds"] == {"rollout": 40.0, "reward": 10.0, "train": 20.0}


def test_evaluations_are_written_at_once(tmp_path):
    accuracies = {"aime24": Accuracy(0.5, 0.1, 30, 16, 0.0, 900.0, 0.1, 0.02, 0.8)}
    Summary().on_evaluation(fake_trainer(global_step=7, log_dir=tmp_path), FakeModule(), accuracies)
    (evaluation,) = json.loads((tmp_path / "summary.json").read_text())["evaluations"]
    assert (evaluation["step"], evaluation["benchmark"], evaluation["avg"], evaluation["stderr"]) == (
        7,
        "aime24",
        0.5,
        0.1,
    )


def test_counters_survive_a_checkpoint(tmp_path):
    first, second = Summary(), Summary()
    first.record("a", step(0.5))
    torch.save(first.state_dict(), tmp_path / "state")
    second.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    for summary in (first, second):
        summary.record("a", step(1.0))
    assert first.summary() == second.summary()
