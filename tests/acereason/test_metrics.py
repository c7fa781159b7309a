from math import isnan, sqrt

import pytest
from fakes import group, rollout

from acereason.metrics import rollout_metrics


def test_the_metrics_of_a_step():
    groups = [
        group(rollout("correct", 2), rollout("wrong", 4), rollout("error", 6), rollout("wrong", 8, truncated=True)),
        group(rollout("correct", 1), rollout("correct", 3), rollout("correct", 5), rollout("correct", 3)),
    ]
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
    }


def test_nothing_but_errors_has_no_mean():
    assert isnan(rollout_metrics([group(rollout("error"), rollout("error"))])["reward/mean"])
