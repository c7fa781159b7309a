"""What n judged responses a problem say about a policy: pure functions of counts (section 4.1, Figures 12 to 17).

A response whose verifier failed is in no count: `judged` counts the others. A problem without any leaves every mean.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, sqrt
from statistics import fmean, stdev

from acereason.seeds import derive_seed

Counts = Sequence[tuple[int, int]]
"""(correct, judged) responses of each problem."""


def solve_rates(counts: Counts) -> list[float]:
    """correct / judged of each problem that has judged responses."""
    return [correct / judged for correct, judged in counts if judged]


def avg_at_n(counts: Counts) -> float | None:
    """Mean over problems of their solve rates: pass@1 averaged over n runs. None without any judged response."""
    rates = solve_rates(counts)
    return fmean(rates) if rates else None


def stderr_over_problems(counts: Counts) -> float | None:
    """Standard deviation of the solve rates (ddof 1) / sqrt(problems): how far avg@n would move with other problems of
    the same kind. None below two problems."""
    rates = solve_rates(counts)
    return stdev(rates) / sqrt(len(rates)) if len(rates) > 1 else None


def stderr_over_runs(counts: Counts) -> float | None:
    """Standard deviation of avg@n over repetitions on the same problems, which the paper quotes for AIME24 (4.1).

    sqrt(sum_p r_p (1 - r_p) / (n_p - 1)) / problems, with solve rate r_p of n_p judged responses: an unbiased variance
    of each problem's rate, since responses are independent. It falls as 1 / sqrt(n). Problems of a single judged
    response take the mean variance of the others; None where all are.
    """
    rates = solve_rates(counts)
    variances = [(c / judged) * (1 - c / judged) / (judged - 1) for c, judged in counts if judged > 1]
    return sqrt(fmean(variances) / len(rates)) if variances else None


def pass_at_k(counts: Counts, k: int) -> float | None:
    """Mean over problems of 1 - C(n - c, k) / C(n, k), without bias. Problems of fewer than k judged responses are left
    out; None where all are."""
    shares = [1 - comb(judged - correct, k) / comb(judged, k) for correct, judged in counts if judged >= k]
    return fmean(shares) if shares else None


def pass_at_k_by_draws(counts: Counts, k: int, seed: int, draws: int = 100) -> float | None:
    """The paper's estimate (Figure 12): k of each problem's responses at random, whether any is correct, averaged over
    100 repetitions. The same expectation as `pass_at_k`, with the noise of the draws."""
    used = [(correct, judged) for correct, judged in counts if judged >= k]
    generator = random.Random(derive_seed(seed, "pass@k", k))
    solved = [min(generator.sample(range(n), k)) < c for _ in range(draws) for c, n in used]
    return fmean(solved) if solved else None


def ks(n: int) -> list[int]:
    """The k that pass@k is told for: powers of two up to n, and n."""
    powers = [2**exponent for exponent in range(n.bit_length()) if 2**exponent <= n]
    return sorted({*powers, n})


def majority(votes: Sequence[tuple[str, bool]]) -> bool | None:
    """Whether the most frequent answer is correct, of (answer, correct) in the order of the samples. Of equally
    frequent answers the one that came first wins. None without votes."""
    if not votes:
        return None
    counted = Counter(answer for answer, _ in votes)  # counts answers in the order in which they came
    winner = max(counted, key=lambda answer: counted[answer])
    return next(correct for answer, correct in votes if answer == winner)


@dataclass(frozen=True)
class Difference:
    """Of two policies' avg@n over the same problems."""

    mean: float
    """Second minus first."""
    low: float
    high: float
    """Ends of the confidence interval."""
    problems: int


def paired_difference(
    first: Sequence[float], second: Sequence[float], seed: int, draws: int = 10000, confidence: float = 0.95
) -> Difference:
    """Mean difference of the problems' solve rates with its percentile bootstrap interval: the problems are drawn anew,
    each with both of its rates, `draws` times.

    Args:
        first, second: solve rates of the same problems in the same order.
        seed: of the draws.
    """
    differences = [after - before for before, after in zip(first, second, strict=True)]
    generator = random.Random(derive_seed(seed, "bootstrap"))
    means = sorted(fmean(generator.choices(differences, k=len(differences))) for _ in range(draws))
    tail = (1 - confidence) / 2
    low, high = (means[round(share * (draws - 1))] for share in (tail, 1 - tail))
    return Difference(fmean(differences), low, high, len(differences))
