"""Values by hand, of printed tables of Student's t, and simulations that share no code with ours."""

import random
from math import inf, sqrt
from statistics import fmean, stdev

import pytest

from acereason.verbs.studies.statistics import difference_sd, estimate, power, seeds_needed, t_cdf, t_quantile


def test_a_mean_and_its_standard_error_by_hand():
    found = estimate([1.0, 2.0, 6.0])
    assert found.mean == 3.0
    assert found.stderr == pytest.approx(sqrt((4 + 1 + 9) / 2) / sqrt(3))  # 1.5275
    # 4.30265: the table's value for two degrees of freedom and 95 %
    assert found.interval() == pytest.approx((3 - 4.302653 * 1.527525, 3 + 4.302653 * 1.527525), rel=1e-6)


def test_one_seed_has_no_error_and_no_interval():
    found = estimate([2.0])
    assert found.stderr == inf
    assert found.interval() == (-inf, inf)


def test_equal_values_have_an_interval_of_no_width():
    assert estimate([2.0, 2.0, 2.0]).interval() == (2.0, 2.0)


TABLE = {  # printed in textbooks: two-sided 95 % and 99 %
    1: (12.7062, 63.6567),
    2: (4.3027, 9.9248),
    4: (2.7764, 4.6041),
    9: (2.2622, 3.2498),
    30: (2.0423, 2.7500),
    100: (1.9840, 2.6259),
}


@pytest.mark.parametrize("freedom", TABLE)
def test_students_t_as_in_the_tables(freedom):
    assert (t_quantile(0.975, freedom), t_quantile(0.995, freedom)) == pytest.approx(TABLE[freedom], abs=6e-5)


def test_cauchy_is_students_t_of_one_degree():
    assert t_cdf(1.0, 1) == pytest.approx(0.75, abs=1e-9)  # 1/2 + atan(1) / pi
    assert t_cdf(0.0, 1) == pytest.approx(0.5, abs=1e-9)


def covers(generator: random.Random, seeds: int, mean: float) -> bool:
    low, high = estimate([generator.gauss(mean, 1) for _ in range(seeds)]).interval()
    return low <= mean <= high


def test_intervals_hold_the_true_mean_in_their_share_of_studies():
    generator = random.Random(0)
    held = fmean(covers(generator, 5, 2.0) for _ in range(2000))
    assert held == pytest.approx(0.95, abs=4 * sqrt(0.95 * 0.05 / 2000))


def finds(generator: random.Random, difference: float, sd: float, seeds: int, critical: float) -> bool:
    values = [generator.gauss(difference, sd) for _ in range(seeds)]
    return fmean(values) - critical * stdev(values) / sqrt(seeds) > 0


@pytest.mark.parametrize(("difference", "sd", "seeds", "critical"), [(2, 2, 5, 2.7764), (1, 0.5, 3, 4.3027)])
def test_power_is_the_share_of_simulated_studies_that_find_the_difference(difference, sd, seeds, critical):
    generator = random.Random(1)
    share = fmean(finds(generator, difference, sd, seeds, critical) for _ in range(3000))
    assert power(difference, sd, seeds) == pytest.approx(share, abs=4 * sqrt(0.25 / 3000))


def test_seeds_that_textbooks_give():
    # a paired t test of 80 % power, two-sided 5 %: 34, 10 and 5 pairs for 0.5, 1 and 1.7 standard deviations
    assert [seeds_needed(effect, 1.0) for effect in (0.5, 1.0, 1.7)] == [34, 10, 5]
    assert seeds_needed(0.1, 1.0) is None
    assert power(1.0, 1.0, 9) < 0.8 <= power(1.0, 1.0, 10)


def measured(generator: random.Random, rates: list[float], n: int) -> float:
    """avg@n of an arm whose training moves every problem's rate alike."""
    luck = generator.gauss(0, 0.02)
    return fmean(sum(generator.random() < rate + luck for _ in range(n)) / n for rate in rates)


def test_the_sd_of_a_difference_is_that_of_simulated_arms():
    rates, generator = [0.2, 0.5, 0.7, 0.4], random.Random(2)
    pairs = [measured(generator, rates, 4) - measured(generator, rates, 4) for _ in range(3000)]
    variance = fmean(rate * (1 - rate) for rate in rates)
    assert difference_sd(0.02, 4, 4, variance) == pytest.approx(stdev(pairs), rel=0.05)
