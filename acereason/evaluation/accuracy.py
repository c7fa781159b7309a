"""This module computes avg@n while training: accuracy over n responses a problem, with its standard errors."""

from dataclasses import dataclass
from math import nan

from acereason.evaluation.estimators import avg_at_n, pass_at_k, stderr_over_problems, stderr_over_runs
from acereason.sampling.counts import Judged


@dataclass
class Accuracy:
    """The result of a benchmark, as training logs it."""

    avg: float
    """Mean over problems of the share of correct responses (avg@n)."""
    stderr: float
    """Standard error of avg over problems: standard deviation of their shares / sqrt(problems)."""
    problems: int
    n: int
    """Responses per problem."""
    error_rate: float
    """Share of responses whose verifier failed; they count neither as correct nor as wrong."""
    length_mean: float
    truncated: float
    stderr_runs: float
    """Standard error of avg over runs on the same problems (4.1)."""
    pass_at_n: float
    """Share of problems with a correct response."""

    def metrics(self) -> dict[str, float]:
        """Return the metrics that are logged under eval/<benchmark>/."""
        names = ("avg", "stderr", "stderr_runs", "error_rate", "length_mean", "truncated")
        return {name: getattr(self, name) for name in names} | {f"pass@{self.n}": self.pass_at_n}


def accuracy(judged: list[Judged]) -> Accuracy:
    """Compute avg@n of the judged problems, with its errors; NaN where there are too few responses for a number."""
    # why: an error says nothing about the policy; problems of errors alone leave the means and show in error_rate
    counts = [(row.correct, row.responses - row.errors) for row in judged]
    responses = sum(row.responses for row in judged)
    return Accuracy(
        avg=_or_nan(avg_at_n(counts)),
        stderr=_or_nan(stderr_over_problems(counts)),
        problems=len(judged),
        n=judged[0].responses,
        error_rate=sum(row.errors for row in judged) / responses,
        length_mean=sum(row.tokens for row in judged) / responses,
        truncated=sum(row.truncated for row in judged) / responses,
        stderr_runs=_or_nan(stderr_over_runs(counts)),
        # why: pass@n is the share of problems solved at least once; pass@k with k = n would drop those with an error
        pass_at_n=_or_nan(pass_at_k([(min(correct, 1), min(tried, 1)) for correct, tried in counts], 1)),
    )


def _or_nan(value: float | None) -> float:
    return nan if value is None else value
