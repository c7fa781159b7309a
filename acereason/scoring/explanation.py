"""One verdict, step by step, in words."""

from rich.console import Console
from rich.text import Text

from acereason.rewards.pool import RewardPool
from acereason.scoring.rows import Row
from acereason.scoring.summary import reason_of
from acereason.types import Verdict

_SHOWN = 300
"""Characters of a text in a step."""


def explain(row: Row, pool: RewardPool, console: Console) -> None:
    """Judge one row and print how the verdict came about."""
    verdict = pool.explain(row.problem, row.response)
    console.print(Text(f"row {row.problem.id}, {row.problem.task}", style="bold"))
    for name, text in _math_steps(row, verdict):
        console.print(Text(f"{name:>13}  "), Text(_short(text)), sep="", end="\n", soft_wrap=True)
    reward = "none: the verifier failed" if verdict.reward is None else f"{verdict.reward:g}"
    style = {"correct": "green", "wrong": "yellow", "error": "red"}[verdict.status]
    console.print(Text(f"{'verdict':>13}  "), Text(verdict.status, style=style), Text(f", reward {reward}"), sep="")


def _math_steps(row: Row, verdict: Verdict) -> list[tuple[str, str]]:
    detail = verdict.detail
    after = " after </think>" if "</think>" in row.response else ""
    steps = [("response", f"{len(row.response)} characters, ending {row.response[-60:]!r}")]
    if detail.get("extracted") is None:
        found = "nothing" if "extracted" in detail else "unknown"
    else:
        found = str(detail["extracted"])
    steps.append((f"last box{after}", found))
    if "normal" in detail:
        steps.append(("normal form", str(detail["normal"])))
    steps.append(("ground truth", " | ".join([row.problem.answer, *row.problem.alternatives])))
    if "answer" in detail:
        steps.append(("normal form", str(detail["answer"])))
    steps += [("compared", step) for step in detail.get("steps", [])]
    steps.append(("decided by", reason_of(verdict)))
    return [*steps, ("seconds", f"{detail['seconds']:.4f}")] if "seconds" in detail else steps


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} … ({len(text)} characters)"
