from math import isnan, log, nan, sqrt

import pytest

from acereason.algorithm.metrics import rollout_metrics
from acereason.algorithm.objective import assign_advantages
from callbacks import Overlong
from tests.support.fakes import group, rollout


def test_the_metrics_of_a_step():
    groups = [
        group(rollout("correct", 2), rollout("wrong", 4), rollout("error", 6), rollout("wrong", 8, truncated=True)),
        group(rollout("correct", 1), rollout("correct", 3), rollout("correct", 5), rollout("correct", 3)),
    ]
    assign_advantages(groups)
    metrics = rollout_metrics(groups)
    assert metrics == {
        "reward/mean": pytest.approx(5 / 7),  # the error counts neither as 0 nor as 1
        "reward/std": pytest.approx(sqrt(5 / 7 * 2 / 7)),
        "reward/correct": 5 / 8,
        "reward/error_rate": 1 / 8,
        "reward/zero_variance": 0.5,
        "response/length_mean": 4.0,
        "response/length_max": 8.0,
        "response/truncated": 1 / 8,
        "response/tokens": 32.0,
        "response/signal": (2 + 4 + 8) / 32,
        "response/entropy": 1.0,
    }


def test_nothing_but_errors_has_no_mean():
    assert isnan(rollout_metrics([group(rollout("error"), rollout("error"))])["reward/mean"])


@pytest.mark.parametrize(
    ("policy", "mean", "correct", "zero_variance"),
    [
        ("mask", 3 / 4, 3 / 4, 1.0),  # the only wrong one is masked: what is left has no spread
        ("penalize", 2 / 4, 3 / 4, 0.0),  # right but truncated: the gradient saw 0, and so does the mean
    ],
)
def test_rewards_are_those_that_the_gradient_saw(policy, mean, correct, zero_variance):
    cut = rollout("wrong" if policy == "mask" else "correct", truncated=True)
    other = rollout("correct" if policy == "mask" else "wrong")
    groups = [group(rollout("correct"), rollout("correct"), other, cut)]
    for each in groups[0].rollouts:
        Overlong(reward=0.0).apply(policy, each, budget=3)
    assign_advantages(groups)
    metrics = rollout_metrics(groups)
    shown = (metrics["reward/mean"], metrics["reward/correct"], metrics["reward/zero_variance"])
    assert shown == (mean, correct, zero_variance)


def test_a_group_with_nothing_in_the_loss_has_no_gradient():
    groups = [group(rollout("error"), rollout("error")), group(rollout("correct"), rollout("wrong"))]
    assign_advantages(groups)
    assert rollout_metrics(groups)["reward/zero_variance"] == 0.5


def test_the_entropy_of_responses_is_that_of_all_of_them_and_of_known_log_probs():
    sure, cut = rollout(length=3), rollout(length=2, truncated=True)
    sure.response.sampler_logprobs = [-0.5, -0.1, nan]
    cut.response.sampler_logprobs = [log(0.25), log(0.5)]
    cut.in_loss = False
    expected = (0.5 + 0.1 + log(4) + log(2)) / 4
    assert rollout_metrics([group(sure, cut)])["response/entropy"] == pytest.approx(expected)
    sure.response.sampler_logprobs, cut.response.sampler_logprobs = [nan] * 3, []
    assert "response/entropy" not in rollout_metrics([group(sure, cut)])
