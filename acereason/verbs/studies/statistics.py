"""This module has a study's arithmetic: means, standard errors over seeds, Student's t, and power."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import exp, inf, isinf, lgamma, log, sqrt
from statistics import NormalDist, fmean, stdev

import numpy as np

_NORMAL = NormalDist()
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(300)


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds."""

    mean: float
    stderr: float
    """Standard error: the standard deviation (ddof 1) / sqrt(seeds); infinite below two seeds."""
    seeds: int

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the ends of the confidence interval by Student's t with seeds - 1 degrees of freedom."""
        if isinf(self.stderr):
            return -inf, inf
        half = t_quantile((1 + confidence) / 2, self.seeds - 1) * self.stderr
        return self.mean - half, self.mean + half


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of one value a seed, with its standard error."""
    error = stdev(values) / sqrt(len(values)) if len(values) > 1 else inf
    return Estimate(fmean(values), error, len(values))


def t_cdf(value: float, freedom: int, shift: float = 0.0) -> float:
    """Return P(T <= value) of Student's t; with a `shift`, of the noncentral t, the law of (Z + shift) / S.

    Z is standard normal and S the root of a chi-square over its `freedom` degrees. The probability given S = s is the
    normal's, and is integrated over the density of S by Gauss and Legendre's rule.
    """
    return sum(weight * _NORMAL.cdf(value * s - shift) for s, weight in _law_of_s(freedom))


@cache
def _law_of_s(freedom: int) -> list[tuple[float, float]]:
    """Return places of S with their weights, by which an expectation is a sum."""
    # why: beyond it less than 1e-14 of S is left, also for one degree of freedom
    highest = 1 + 8 / sqrt(freedom)
    places = ((_POINTS + 1) * highest / 2).tolist()
    weights = (_WEIGHTS * highest / 2).tolist()
    constant = log(2) + freedom / 2 * log(freedom / 2) - lgamma(freedom / 2)
    return [
        (s, weight * exp(constant + (freedom - 1) * log(s) - freedom * s * s / 2))
        for s, weight in zip(places, weights, strict=True)
    ]


@cache
def t_quantile(share: float, freedom: int) -> float:
    """Return the value that Student's t stays below with this probability, between 0.5 and 1."""
    low, high = 0.0, 1.0
    while t_cdf(high, freedom) < share:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if t_cdf(middle, freedom) < share else (low, middle)
    return (low + high) / 2


def power(difference: float, sd: float, seeds: int, confidence: float = 0.95) -> float:
    """Return the probability that the t interval of a paired difference lies on the right side of zero.

    Args:
        difference: the true difference of two arms.
        sd: standard deviation, over seeds, of the difference of two arms with the same seed.
        seeds: number of seeds, at least two.
    """
    critical = t_quantile((1 + confidence) / 2, seeds - 1)
    return 1 - t_cdf(critical, seeds - 1, abs(difference) / sd * sqrt(seeds))


def seeds_needed(difference: float, sd: float, wanted: float = 0.8, most: int = 100) -> int | None:
    """Return the fewest seeds, from two on, with the wanted power; None above `most`."""
    return next((seeds for seeds in range(2, most + 1) if power(difference, sd, seeds) >= wanted), None)


def difference_sd(training: float, problems: int, n: int, rate_variance: float = 0.15) -> float:
    """Return the standard deviation, over seeds, of the difference of two arms' avg@n.

    Args:
        training: standard deviation of one arm's true accuracy from seed to seed.
        problems: number of problems of the benchmark, the same for all runs.
        n: responses per problem.
        rate_variance: mean of r (1 - r) over problems with solve rates r; at most 0.25.
    """
    # why: both arms have their own noise, of training and of the samples that measure it
    return sqrt(2 * (training**2 + rate_variance / (problems * n)))
