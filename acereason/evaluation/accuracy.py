"""avg@n: accuracy over n responses a problem, with its standard error."""

from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from acereason.types import Group


@dataclass
class Judged:
    """One problem's responses, counted."""

    problem: str
    correct: int
    errors: int
    responses: int
    tokens: int
    truncated: int

    @classmethod
    def of(cls, group: Group) -> "Judged":
        """Count a judged group."""
        statuses = [rollout.verdict.status for rollout in group.rollouts]
        responses = [rollout.response for rollout in group.rollouts]
        return cls(
            group.problem.id,
            statuses.count("correct"),
            statuses.count("error"),
            len(responses),
            sum(len(response.token_ids) for response in responses),
            sum(response.truncated for response in responses),
        )


@dataclass
class Accuracy:
    """A benchmark's result."""

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

    def metrics(self) -> dict[str, float]:
        """What is logged under eval/<benchmark>/."""
        names = ("avg", "stderr", "error_rate", "length_mean", "truncated")
        return {name: getattr(self, name) for name in names}


def accuracy(judged: list[Judged]) -> Accuracy:
    """avg@n of the judged problems. Problems all of whose verdicts are errors leave the mean, and show in
    error_rate."""
    shares = [row.correct / (row.responses - row.errors) for row in judged if row.responses > row.errors]
    responses = sum(row.responses for row in judged)
    return Accuracy(
        avg=fmean(shares) if shares else float("nan"),
        stderr=stdev(shares) / sqrt(len(shares)) if len(shares) > 1 else float("nan"),
        problems=len(judged),
        n=judged[0].responses,
        error_rate=sum(row.errors for row in judged) / responses,
        length_mean=sum(row.tokens for row in judged) / responses,
        truncated=sum(row.truncated for row in judged) / responses,
    )
