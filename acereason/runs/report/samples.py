"""This module chooses responses of a run for people to read."""

import json
from typing import Any

from acereason.runs.report.content import Sample, Samples
from acereason.runs.report.reading import Run

_PER_STAGE = 4
_CHARACTERS = 12000


def samples_of(run: Run) -> Samples:
    """Return a few responses of each stage: its last ones, of different verdicts where there are such."""
    return Samples([_sample(row) for span in run.spans() for row in _chosen(run.samples, span.name)])


def _chosen(rows: list[dict[str, Any]], stage: str) -> list[dict[str, Any]]:
    """Return the last response of each kind (verdict, truncated or not), then the last of all, in order of steps."""
    own = [row for row in rows if row["stage"] == stage]
    last = {(row["status"], row["finish_reason"]): number for number, row in enumerate(own)}
    numbers = [*last.values(), *(n for n in reversed(range(len(own))) if n not in last.values())]
    return [own[number] for number in sorted(numbers[:_PER_STAGE])]


def _sample(row: dict[str, Any]) -> Sample:
    fate = "" if row["in_loss"] else ", not in the loss"
    cut = ", truncated" if row["finish_reason"] == "length" else ""
    title = f"{row['stage']}, step {row['step']}: {row['problem']} ({row['length']:,} tokens{cut}{fate})"
    verdict = {"answer": row["answer"], "reward": row["reward"], **row["detail"]}
    text = "\n".join(
        f"{name}: {value if isinstance(value, str) else json.dumps(value)}" for name, value in verdict.items()
    )
    return Sample(title, row["status"], row["statement"], shortened(row["response"]), text)


def shortened(text: str) -> str:
    """Return the text, without its middle where it is very long."""
    # why: the answer stands at the end, and a response of 32K tokens would be some 100 KB of the page
    if len(text) <= _CHARACTERS:
        return text
    half = _CHARACTERS // 2
    return f"{text[:half]}\n\n[… {len(text) - 2 * half:,} characters left out …]\n\n{text[-half:]}"
