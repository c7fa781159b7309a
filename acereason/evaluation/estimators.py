"""This module estimates a policy's accuracy from counts of judged responses (section 4.1, Figures 12 to 17).

`judged` counts responses with a verdict of correct or wrong: a response whose verifier failed is in no count, and a
problem without a judged response is in no mean.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, sqrt
from statistics import fmean, stdev

from acereason.common.seeds import derive_seed

Counts = Sequence[tuple[int, int]]
"""(correct, judged) responses of each problem."""


def solve_rates(counts: Counts) -> list[float]:
    """Return correct / judged of each problem that has judged responses."""
    return [correct / judged for correct, judged in counts if judged]


def avg_at_n(counts: Counts) -> float | None:
    """Return the mean solve rate over problems: pass@1 averaged over n runs. None without any judged response."""
    rates = solve_rates(counts)
    return fmean(rates) if rates else None


def stderr_over_problems(counts: Counts) -> float | None:
    """Return how far avg@n would move with other problems of the same kind: the standard deviation of the solve rates
    (ddof 1) / sqrt(problems). None below two problems."""
    rates = solve_rates(counts)
    return stdev(rates) / sqrt(len(rates)) if len(rates) > 1 else None


def stderr_over_runs(counts: Counts) -> float | None:
    """Return the standard deviation of avg@n over repetitions on the same problems, which 4.1 quotes for AIME24.

    It is sqrt(sum_p r_p (1 - r_p) / (n_p - 1)) / problems, with solve rate r_p of n_p judged responses: an unbiased
    variance of each problem's rate, since responses are independent. It falls as 1 / sqrt(n). Problems with a single
    judged response take the mean variance of the others; None where all problems are such.
    """
    rates = solve_rates(counts)
    variances = [(c / judged) * (1 - c / judged) / (judged - 1) for c, judged in counts if judged > 1]
    return sqrt(fmean(variances) / len(rates)) if variances else None


def pass_at_k(counts: Counts, k: int) -> float | None:
    """Return pass@k without bias: the mean over problems of 1 - C(n - c, k) / C(n, k).

    Problems with fewer than k judged responses are left out; None where all are.
    """
    shares = _solved_by_k(counts, k)
    return fmean(shares) if shares else None


def stderr_of_pass_at_k(counts: Counts, k: int) -> float | None:
    """Return how far pass@k would move with other problems of the same kind; None below two problems."""
    shares = _solved_by_k(counts, k)
    return stdev(shares) / sqrt(len(shares)) if len(shares) > 1 else None


def _solved_by_k(counts: Counts, k: int) -> list[float]:
    return [1 - comb(judged - correct, k) / comb(judged, k) for correct, judged in counts if judged >= k]


def pass_at_k_by_draws(counts: Counts, k: int, seed: int, draws: int = 100) -> float | None:
    """Return the paper's estimate of pass@k (Figure 12): the share of problems with a correct one among k responses
    drawn at random, averaged over 100 repetitions.

    Its expectation is that of `pass_at_k`; it has the noise of the draws on top.
    """
    used = [(correct, judged) for correct, judged in counts if judged >= k]
    generator = random.Random(derive_seed(seed, "pass@k", k))
    # why: which responses are correct doesn't matter, so the first c of the n stand for them
    solved = [min(generator.sample(range(n), k)) < c for _ in range(draws) for c, n in used]
    return fmean(solved) if solved else None


def ks(n: int) -> list[int]:
    """Return the k for which pass@k is reported: powers of two up to n, and n."""
    powers = [2**exponent for exponent in range(n.bit_length()) if 2**exponent <= n]
    return sorted({*powers, n})


def majority(votes: Sequence[tuple[str, bool]]) -> bool | None:
    """Return whether the most frequent answer is correct; None without votes.

    Args:
        votes: (answer, correct) in the order of the samples; of equally frequent answers the first one wins.
    """
    if not votes:
        return None
    # why: a Counter keeps the order in which answers came, by which `max` settles a tie
    counted = Counter(answer for answer, _ in votes)
    winner = max(counted, key=lambda answer: counted[answer])
    return next(correct for answer, correct in votes if answer == winner)


@dataclass(frozen=True)
class Difference:
    """The difference of two policies' avg@n over the same problems."""

    mean: float
    """Second minus first."""
    low: float
    high: float
    """Ends of the confidence interval."""
    problems: int


def paired_difference(
    first: Sequence[float], second: Sequence[float], seed: int, draws: int = 10000, confidence: float = 0.95
) -> Difference:
    """Return the mean difference of the problems' solve rates with its percentile bootstrap interval.

    Args:
        first: solve rates of the first policy.
        second: solve rates of the second, of the same problems in the same order.
        seed: seed of the draws.
        draws: how often the problems are drawn anew.
        confidence: share of the draws that the interval holds.
    """
    # why: a problem is drawn with both of its rates, so that what is hard for both policies cancels out
    differences = [after - before for before, after in zip(first, second, strict=True)]
    generator = random.Random(derive_seed(seed, "bootstrap"))
    means = sorted(fmean(generator.choices(differences, k=len(differences))) for _ in range(draws))
    tail = (1 - confidence) / 2
    low, high = (means[round(share * (draws - 1))] for share in (tail, 1 - tail))
    return Difference(fmean(differences), low, high, len(differences))
