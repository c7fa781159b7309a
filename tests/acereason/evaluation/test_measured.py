from math import sqrt

import pytest

from acereason.evaluation.measured import result_of
from tests.support.evaluations import MATH


def test_a_benchmarks_numbers_by_hand():
    result = result_of(MATH, 2, seed=0)
    assert result.avg == 0.5  # 1, 0 of one, 0.5
    assert [(p.correct, p.judged, p.rate) for p in result.problems.values()] == [(2, 2, 1.0), (0, 1, 0.0), (1, 2, 0.5)]
    assert result.majority == pytest.approx(2 / 3)  # no box is no vote
    assert result.pass_at_k == {"1": 0.5, "2": 1.0}  # the second problem has only one judged sample
    assert (result.error_rate, result.truncated) == (pytest.approx(1 / 6), pytest.approx(1 / 6))
    assert result.length_mean == 15
    assert result.errors == ["m/1 sample 1: killed"]
    assert result.stderr_runs == pytest.approx(sqrt((0 + 0.25) / 2 / 3))  # nor has it a variance of its own
