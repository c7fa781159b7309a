from math import isnan, sqrt

import pytest

from acereason.evaluation.accuracy import accuracy
from acereason.sampling.counts import Judged
from tests.support.fakes import group, rollout


def judged(*statuses: str) -> Judged:
    return Judged.of(group(*(rollout(status, length=4) for status in statuses)))


def test_avg_at_n_and_its_standard_error():
    result = accuracy([judged("correct", "correct"), judged("correct", "wrong"), judged("wrong", "wrong")])
    assert result.avg == 0.5
    assert result.stderr == pytest.approx(0.5 / sqrt(3))  # shares 1, 0.5, 0: standard deviation 0.5
    assert result.stderr_runs == pytest.approx(sqrt(0.25) / 3)  # only the second problem varies
    assert result.pass_at_n == result.metrics()["pass@2"] == pytest.approx(2 / 3)
    assert (result.problems, result.n, result.length_mean, result.truncated) == (3, 2, 4.0, 0.0)


def test_errors_are_left_out_and_shown():
    result = accuracy([judged("correct", "error"), judged("error", "error")])
    assert result.avg == 1.0
    assert result.error_rate == 0.75
    assert isnan(result.stderr)
