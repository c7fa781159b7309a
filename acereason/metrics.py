"""What a step's rollouts say about it, under the names that TensorBoard shows."""

from dataclasses import dataclass
from statistics import fmean, pstdev

from acereason.distributed import gather
from acereason.types import Group


@dataclass
class _Row:
    """One rollout without its tokens: small enough to send to every rank."""

    status: str
    length: int
    truncated: bool


def rollout_metrics(groups: list[Group]) -> dict[str, float]:
    """Rewards and responses of the step, over all ranks; at least one rollout.

    reward/mean and reward/std: of the verifier's rewards, errors left out. reward/correct: share of all rollouts.
    reward/error_rate: share of all rollouts. reward/zero_variance: share of groups whose rewards are all equal.
    response/tokens: sum of lengths.
    """
    table = gather(
        [
            [_Row(r.verdict.status, len(r.response.token_ids), r.response.truncated) for r in group.rollouts]
            for group in groups
        ]
    )
    rows = [row for group in table for row in group]
    rewards = [float(row.status == "correct") for row in rows if row.status != "error"]
    lengths = [row.length for row in rows]
    return {
        "reward/mean": fmean(rewards) if rewards else float("nan"),
        "reward/std": pstdev(rewards) if rewards else float("nan"),
        "reward/correct": fmean(row.status == "correct" for row in rows),
        "reward/error_rate": fmean(row.status == "error" for row in rows),
        "reward/zero_variance": fmean(
            len({row.status for row in group if row.status != "error"}) < 2 for group in table
        ),
        "response/length_mean": fmean(lengths),
        "response/length_max": float(max(lengths)),
        "response/truncated": fmean(row.truncated for row in rows),
        "response/tokens": float(sum(lengths)),
    }
