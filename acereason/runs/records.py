"""What a run writes down of its groups and steps, as plain data."""

from collections import Counter
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from acereason.common.types import Group, Rollout

_STATEMENT = 160
"""Characters of a problem's statement by which a reader recognizes it."""


def group_row(group: Group) -> dict[str, Any]:
    """Return the row of a group in `groups.jsonl`, without stage and step."""
    verdicts = [rollout.verdict for rollout in group.rollouts]
    statuses = Counter(verdict.status for verdict in verdicts)
    return {
        "problem": group.problem.id,
        "statement": group.problem.statement[:_STATEMENT],
        **{status: statuses[status] for status in ("correct", "wrong", "error")},
        "why": dict(Counter(f"{verdict.status}: {verdict.kind}" for verdict in verdicts)),
        "truncated": sum(rollout.response.truncated for rollout in group.rollouts),
        "lengths": [len(rollout.response.token_ids) for rollout in group.rollouts],
    }


@dataclass
class Samples:
    """Which rollouts are written for people to read: some of rank 0's.

    Args:
        every_n_steps: steps between two writings.
        groups: number of groups each time.
        rollouts: number of rollouts of each group.
    """

    every_n_steps: int = 10
    groups: int = 1
    rollouts: int = 2

    def __post_init__(self) -> None:
        if self.every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, not {self.every_n_steps}")

    def rows(self, groups: list[Group]) -> list[dict[str, Any]]:
        """Return the rows of `samples.jsonl`, without stage and step."""
        chosen = groups[: self.groups]
        return [_sample_row(group, rollout) for group in chosen for rollout in group.rollouts[: self.rollouts]]


def _sample_row(group: Group, rollout: Rollout) -> dict[str, Any]:
    return {
        "problem": group.problem.id,
        "statement": group.problem.statement,
        "answer": group.problem.answer,
        "response": rollout.response.text,
        "length": len(rollout.response.token_ids),
        "finish_reason": rollout.response.finish_reason,
        "status": rollout.verdict.status,
        "detail": rollout.verdict.detail,
        "reward": rollout.reward,
        "in_loss": rollout.in_loss,
    }


def sample_markdown(row: dict[str, Any]) -> str:
    """Return a row of `samples.jsonl` as TensorBoard shows it."""
    # why: a fenced block, since TensorBoard renders text as Markdown
    reward = "no reward" if row["reward"] is None else f"reward {row['reward']:.4g}"
    fate = reward if row["in_loss"] else "masked"
    length = f"{row['length']} tokens ({row['finish_reason']})"
    head = f"**{row['problem']}** · {row['status']} · {fate} · {length} · answer `{row['answer']}`"
    return f"{head}\n\n```\n{row['statement']}\n\n{row['response']}\n```"


class Tally:
    """The counters of a run behind its `summary.json`."""

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, Any]] = {}
        self.evaluations: list[dict[str, Any]] = []
        self.seconds: dict[str, float] = {}

    def add(self, stage: str, metrics: dict[str, float]) -> None:
        """Take in the metrics of one step of a stage."""
        entry = self.stages.setdefault(stage, {"steps": 0, "response_tokens": 0, "history": {}})
        entry["steps"] += 1
        entry["response_tokens"] += int(metrics["response/tokens"])
        for name in ("policy/loss", "reward/mean", "policy/entropy", "response/truncated"):
            if name in metrics:
                entry["history"].setdefault(name, []).append(metrics[name])
        for name, seconds in metrics.items():
            kind, _, section = name.partition("/")
            # why: `time/step` is the whole of which the other sections are parts
            if kind == "time" and section != "step":
                self.seconds[section] = self.seconds.get(section, 0.0) + seconds

    def summary(self) -> dict[str, Any]:
        """Return the contents of `summary.json`."""
        return vars(self) | {"stages": {name: _stage_summary(entry) for name, entry in self.stages.items()}}


def _stage_summary(entry: dict[str, Any]) -> dict[str, Any]:
    """Return a stage's entry with each metric's history reduced to first, last and mean."""
    # why: first and last are means over a tenth of the stage, since single steps are noisy
    summary = {name: value for name, value in entry.items() if name != "history"}
    for name, values in entry["history"].items():
        tenth = max(1, len(values) // 10)
        summary[name] = {"first": fmean(values[:tenth]), "last": fmean(values[-tenth:]), "mean": fmean(values)}
    return summary
