"""Metrics of a step's rollouts, under the names that loggers show."""

from dataclasses import dataclass
from math import isfinite
from statistics import fmean, pstdev

from acereason.common.types import Group, Rollout
from acereason.processes.distributed import gather


@dataclass
# why: without its tokens a rollout is small enough to send to every rank
class _Row:
    """The numbers of one rollout that metrics need."""

    status: str
    reward: float | None
    teaches: bool
    length: int
    truncated: bool
    surprise: list[float]
    """[sum, count] of -log p of its tokens under the sampler, where the engine gave log-probs."""


def teaches(rollout: Rollout) -> bool:
    """Return whether a rollout carries a signal: it is in the loss with an advantage that isn't 0, or with those of a
    teacher."""
    return rollout.in_loss and (rollout.advantage != 0 or rollout.token_advantages is not None)


def _row(rollout: Rollout) -> _Row:
    response = rollout.response
    known = [-logprob for logprob in response.sampler_logprobs if isfinite(logprob)]
    surprise, length = [sum(known), len(known)], len(response.token_ids)
    return _Row(rollout.verdict.status, rollout.reward, teaches(rollout), length, response.truncated, surprise)


def rollout_metrics(groups: list[Group]) -> dict[str, float]:
    """Return metrics of the step's rewards and responses, over all ranks, for groups with their advantages assigned.

    reward/mean and reward/std: of the rewards as the overlong policy left them, which are those that the gradient saw;
    a masked response counts with its verdict, an error not at all. reward/correct: share of all rollouts that the
    verifier calls correct. reward/error_rate: share of all rollouts. reward/zero_variance: share of groups without a
    gradient: each rollout in the loss has an advantage of 0, or none is in it. response/tokens: sum of lengths.
    response/signal: share of them in the loss with an advantage that isn't 0: the others were generated in vain.
    response/entropy: mean of -log p of the sampled tokens of all responses, masked ones too, by the engine's log-probs,
    whose expectation is the temperature-adjusted entropy; policy/entropy is exact, and of the tokens in the loss.
    """
    table = gather([[_row(rollout) for rollout in group.rollouts] for group in groups])
    rows = [row for group in table for row in group]
    rewards = [row.reward for row in rows if row.reward is not None]
    lengths = [row.length for row in rows]
    metrics = {
        "reward/mean": fmean(rewards) if rewards else float("nan"),
        "reward/std": pstdev(rewards) if rewards else float("nan"),
        "reward/correct": fmean(row.status == "correct" for row in rows),
        "reward/error_rate": fmean(row.status == "error" for row in rows),
        "reward/zero_variance": fmean(not any(row.teaches for row in group) for group in table),
        "response/length_mean": fmean(lengths),
        "response/length_max": float(max(lengths)),
        "response/truncated": fmean(row.truncated for row in rows),
        "response/tokens": float(sum(lengths)),
        "response/signal": sum(row.length for row in rows if row.teaches) / max(sum(lengths), 1),
    }
    surprise, tokens = (sum(row.surprise[i] for row in rows) for i in (0, 1))
    return metrics | ({"response/entropy": surprise / tokens} if tokens else {})
