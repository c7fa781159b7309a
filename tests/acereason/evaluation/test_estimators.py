import itertools
import random
from math import comb, sqrt
from statistics import fmean, pstdev, stdev

import pytest

from acereason.evaluation.estimators import (
    avg_at_n,
    ks,
    majority,
    paired_difference,
    pass_at_k,
    pass_at_k_by_draws,
    solve_rates,
    stderr_over_problems,
    stderr_over_runs,
)


def test_by_hand():
    counts = [(4, 4), (2, 4), (0, 4)]
    assert solve_rates(counts) == [1.0, 0.5, 0.0]
    assert avg_at_n(counts) == 0.5
    assert stderr_over_problems(counts) == pytest.approx(0.5 / sqrt(3))
    assert stderr_over_runs(counts) == pytest.approx(sqrt(0.25 / 3) / 3)  # only the middle one varies
    assert pass_at_k(counts, 1) == 0.5
    assert pass_at_k(counts, 2) == pytest.approx((1 + 5 / 6) / 3)  # 1 - C(2,2) / C(4,2) in the middle
    assert pass_at_k(counts, 4) == pytest.approx(2 / 3)


def test_errors_leave_the_counts_and_too_little_gives_none():
    assert avg_at_n([(1, 1), (0, 0)]) == 1.0
    assert pass_at_k([(1, 2), (1, 1)], 2) == 1.0
    assert [avg_at_n([(0, 0)]), pass_at_k([(1, 1)], 2), pass_at_k_by_draws([(1, 1)], 2, 0)] == [None] * 3
    assert stderr_over_runs([(1, 1), (1, 2)]) == stderr_over_runs([(1, 2), (1, 2)])
    assert [stderr_over_problems([(1, 2)]), stderr_over_runs([(1, 1), (0, 1)]), stderr_over_runs([])] == [None] * 3


@pytest.mark.parametrize(("correct", "judged", "k"), [(0, 5, 3), (1, 5, 1), (2, 6, 3), (5, 6, 4), (6, 6, 2)])
def test_pass_at_k_is_the_share_of_all_subsets(correct, judged, k):
    outcomes = [True] * correct + [False] * (judged - correct)
    subsets = list(itertools.combinations(outcomes, k))
    assert len(subsets) == comb(judged, k)
    assert pass_at_k([(correct, judged)], k) == pytest.approx(fmean(any(subset) for subset in subsets))


def test_the_papers_draws_scatter_around_the_unbiased_estimate():
    counts = [(c, 64) for c in (0, 1, 2, 4, 8, 16, 32, 63)]
    for k in (2, 8, 32):
        estimates = [pass_at_k_by_draws(counts, k, seed) for seed in range(60)]
        assert stdev(estimates) > 0
        assert abs(fmean(estimates) - pass_at_k(counts, k)) < 4 * stdev(estimates) / sqrt(60)
    assert pass_at_k_by_draws(counts, 8, 5) == pass_at_k_by_draws(counts, 8, 5)


def simulated(rates: list[float], n: int, generator: random.Random) -> list[tuple[int, int]]:
    return [(sum(generator.random() < rate for _ in range(n)), n) for rate in rates]


AIME24 = [1.0] * 5 + [0.97, 0.95, 0.93, 0.92, 0.9, 0.89, 0.88, 0.87, 0.86, 0.84, 0.82, 0.8, 0.78, 0.76, 0.74, 0.72]
AIME24 += [0.7, 0.66, 0.52, 0.4, 0.3, 0.26, 0.18, 0.1, 0.02]
"""Solve rates of thirty problems, whose mean is that of the paper's model."""


@pytest.mark.parametrize(("n", "quoted"), [(16, 1.8), (32, 1.2), (64, 0.7)])
def test_the_papers_deviations_of_aime24(n, quoted):
    """4.1 quotes the standard deviation of avg@n: what repetitions show, what one of them estimates, and the paper's
    figure agree; in percent."""
    assert fmean(AIME24) == pytest.approx(0.726, abs=0.005)
    generator = random.Random(n)
    repetitions = [simulated(AIME24, n, generator) for _ in range(400)]
    seen = 100 * pstdev([avg_at_n(counts) for counts in repetitions])
    told = 100 * fmean(stderr_over_runs(counts) for counts in repetitions)
    assert told == pytest.approx(seen, rel=0.1)
    assert told == pytest.approx(quoted, abs=0.25)


def test_the_error_over_problems_is_what_other_problems_would_give():
    generator = random.Random(0)
    repetitions = [simulated([generator.betavariate(1, 1) for _ in range(30)], 16, generator) for _ in range(400)]
    seen = pstdev([avg_at_n(counts) for counts in repetitions])
    assert fmean(stderr_over_problems(counts) for counts in repetitions) == pytest.approx(seen, rel=0.1)


def test_majority():
    assert majority([("5", False), ("7", True), ("7", True)]) is True
    assert majority([("5", False), ("7", True), ("7", True), ("5", False)]) is False  # a tie: 5 came first
    assert majority([("7", True), ("5", False)]) is True
    assert majority([]) is None


def test_ks():
    assert [ks(1), ks(4), ks(6), ks(64)] == [[1], [1, 2, 4], [1, 2, 4, 6], [1, 2, 4, 8, 16, 32, 64]]


def test_the_interval_of_a_difference():
    before, after = [0.0, 0.5, 1.0, 0.25] * 10, [0.5, 0.5, 1.0, 0.25] * 10
    difference = paired_difference(before, after, seed=0)
    assert (difference.mean, difference.problems) == (0.125, 40)
    expected = 1.96 * pstdev([0.5, 0, 0, 0]) / sqrt(40)  # by the normal approximation
    assert difference.high - difference.mean == pytest.approx(expected, rel=0.15)
    assert difference.mean - difference.low == pytest.approx(expected, rel=0.15)
    assert difference == paired_difference(before, after, seed=0)
    same = paired_difference(before, before, seed=0)
    assert (same.mean, same.low, same.high) == (0, 0, 0)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    generator, held = random.Random(1), 0
    for trial in range(200):
        differences = [generator.gauss(0.05, 0.2) for _ in range(60)]
        found = paired_difference([0.0] * 60, differences, seed=trial, draws=300)
        held += found.low <= 0.05 <= found.high
    assert 0.9 <= held / 200 <= 0.99
