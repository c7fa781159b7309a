"""This module groups problems by how hard they were at first: solve rates in bands of the first policy's (4.5.8)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from acereason.evaluation.results import ProblemResult, Result

BANDS = ("0 %", "< 20 %", "20 to 40 %", "40 to 60 %", "60 to 80 %", "≥ 80 %")
"""Solve rates of the first policy."""


@dataclass(frozen=True)
class Band:
    """A policy's mean solve rate over the problems of a band."""

    rate: float
    stderr: float | None
    """Standard error over problems; None below two."""
    problems: float
    """Sum of the problems' shares in the band."""


@dataclass(frozen=True)
class _Share:
    """A problem's share in a band, and the solve rate of the first policy's responses that were left out for it."""

    problem: str
    weight: float
    rate: float


def banded(first: Result, results: Sequence[Result]) -> list[list[Band | None]]:
    """Return for each band the solve rate of the first policy and of each of these; None for a band without problems.

    Each of a problem's n responses is measured in the band that the n - 1 others give. Were a problem in the band of
    all n, the lowest band would hold bad luck as well as hard problems, and a second measurement of the same policy
    would seem to gain there, and to lose in the highest.
    """
    return [
        [_mean([(share.weight, share.rate) for share in held]), *(_mean(_rated(held, result)) for result in results)]
        for held in _shares(first)
    ]


def _shares(first: Result) -> list[list[_Share]]:
    found: list[list[_Share]] = [[] for _ in BANDS]
    for problem, entry in first.problems.items():
        for band, weight, rate in _places(entry):
            found[band].append(_Share(problem, weight, rate))
    return found


def _places(entry: ProblemResult) -> list[tuple[int, float, float]]:
    """Return (band, share, solve rate of what is left out) for a problem whose responses are left out in turn."""
    correct, judged = entry.correct, entry.judged
    if judged < 2:
        return []
    solved = correct / judged
    with_wrong, with_correct = _band(correct, judged - 1), _band(correct - 1, judged - 1)
    if correct in (0, judged) or with_wrong == with_correct:
        return [(with_wrong if correct < judged else with_correct, 1.0, solved)]
    return [(with_correct, solved, 1.0), (with_wrong, 1 - solved, 0.0)]


def _band(correct: int, judged: int) -> int:
    # why: whole numbers, since 3 / 5 is not 0.6 for a computer
    return 1 + min(5 * correct // judged, 4) if correct > 0 else 0


def _rated(shares: Sequence[_Share], result: Result) -> list[tuple[float, float]]:
    rates = result.rates()
    return [(share.weight, rates[share.problem]) for share in shares if share.problem in rates]


def _mean(parts: Sequence[tuple[float, float]]) -> Band | None:
    """Return the weighted mean; its error is that of a ratio, the usual one where all weights are 1."""
    total = sum(weight for weight, _ in parts)
    if not total:
        return None
    mean = sum(weight * rate for weight, rate in parts) / total
    squares = sum((weight * (rate - mean)) ** 2 for weight, rate in parts)
    count = len(parts)
    return Band(mean, sqrt(count / (count - 1) * squares) / total if count > 1 else None, total)
