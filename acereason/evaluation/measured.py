"""This module turns a benchmark's samples into its numbers, and into rated problems."""

from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

from acereason.common.files import write_atomically
from acereason.common.ratings import COLUMNS, ratings_of
from acereason.common.texts import to_json
from acereason.common.types import Problem
from acereason.data.loading import described
from acereason.evaluation import estimators
from acereason.evaluation.results import ProblemResult, Result
from acereason.sampling.samples import Sample

_SHOWN_ERRORS = 5
"""Number of failed samples that results name."""


def result_of(samples: Iterable[Sample], n: int, seed: int) -> Result:
    """Compute the numbers of a benchmark.

    Args:
        samples: samples problem by problem, each problem's in the order of their numbers.
        n: samples per problem.
        seed: seed of the paper's draws.
    """
    by_problem: dict[str, list[Sample]] = {}
    for sample in samples:
        by_problem.setdefault(sample.id, []).append(sample)
    everything = [sample for group in by_problem.values() for sample in group]
    counted = {name: _counted(group) for name, group in by_problem.items()}
    counts = [(entry.correct, entry.judged) for entry in counted.values()]
    return Result(
        n=n,
        avg=estimators.avg_at_n(counts),
        stderr_problems=estimators.stderr_over_problems(counts),
        stderr_runs=estimators.stderr_over_runs(counts),
        majority=_majority(by_problem.values()),
        error_rate=fmean(sample.status == "error" for sample in everything),
        errors=[_told(sample) for sample in everything if sample.status == "error"][:_SHOWN_ERRORS],
        length_mean=fmean(sample.tokens for sample in everything),
        truncated=fmean(sample.finish_reason == "length" for sample in everything),
        # why: both estimates: the paper reports the drawn one, the other has less noise
        pass_at_k={str(k): estimators.pass_at_k(counts, k) for k in estimators.ks(n)},
        pass_at_k_drawn={str(k): estimators.pass_at_k_by_draws(counts, k, seed) for k in estimators.ks(n)},
        problems=counted,
    )


def write_problems(folder: Path, problems: dict[str, list[Problem]], results: dict[str, Result]) -> None:
    """Write `problems.jsonl` in the folder: each benchmark's problems with ground truth, pass rate and difficulty."""
    rows = [
        {**described(problem), "source": name, **_rated(results[name].problems[problem.id])}
        for name, listed in problems.items()
        for problem in listed
    ]
    write_atomically(folder / "problems.jsonl", "".join(to_json(row) + "\n" for row in rows))


def _counted(samples: list[Sample]) -> ProblemResult:
    (rating,) = ratings_of(("", sample.status, sample.tokens) for sample in samples).values()
    return ProblemResult(rating.correct, rating.judged, rating.pass_rate, rating.difficulty, rating.mean_tokens)


def _rated(result: ProblemResult) -> dict[str, Any]:
    return {name: getattr(result, "rate" if name == "pass_rate" else name) for name in COLUMNS}


def _told(sample: Sample) -> str:
    return f"{sample.id} sample {sample.sample}: {sample.detail.get('error')}"


def _majority(groups: Iterable[list[Sample]]) -> float | None:
    votes = [[(s.vote, s.status == "correct") for s in group if s.vote is not None] for group in groups]
    # why: programs have no votes
    if not any(votes):
        return None
    return fmean(bool(estimators.majority(ballots)) for ballots in votes)
