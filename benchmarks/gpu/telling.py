"""The parts' outcomes for people and as JSON."""

import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from acereason.common.files import write_json
from benchmarks.gpu.running import Outcome
from benchmarks.gpu.settings import Settings
from benchmarks.report import machine, table, today, versions

_SHOWN_LINES = 25


def head_lines(settings: Settings) -> list[str]:
    """What stands above the tables."""
    on, packages = machine(), ", ".join(f"{name} {number}" for name, number in versions().items())
    what = "a toy model on a CPU: it shows that the parts run, and no figure is a GPU's"
    if settings.device == "cuda":
        what = "one GPU; a model of Qwen2.5-1.5B's shape with random weights"
    return [
        f"# python -m benchmarks.gpu --device {settings.device}, {today()}: {what}",
        f"{on['cores']} cores of {on['processor']}, {on['memory_gib']} GiB, {on['system']}; {packages}; {on['commit']}",
        "",
    ]


def told(outcome: Outcome) -> str:
    """A part's table, under what became of it."""
    ending = outcome.status if not outcome.reason else f"{outcome.status}: {outcome.reason}"
    lines = [f"## {outcome.name}: {ending} ({outcome.seconds:.0f} s)", ""]
    lines += [*table(outcome.rows), ""] if outcome.rows else []
    if outcome.output:
        lines += [*("    " + line for line in outcome.output.splitlines()[-_SHOWN_LINES:]), ""]
    return "\n".join(lines)


def summary(outcomes: list[Outcome], output: Path) -> str:
    """A line for each part that is not done, and how many are."""
    lines = [f"{outcome.name}: {outcome.status}: {outcome.reason}" for outcome in outcomes if outcome.status != "done"]
    done = sum(outcome.status == "done" for outcome in outcomes)
    return "\n".join([*lines, f"{done} of {len(outcomes)} parts done; all of it is in {output}"])


def write(outcomes: list[Outcome], settings: Settings, seconds: float, output: Path) -> None:
    """All so far, in the place of what was there."""
    values: dict[str, Any] = {
        "command": " ".join(["python -m benchmarks.gpu", *sys.argv[1:]]),
        "date": today(),
        "device": settings.device,
        "seconds": seconds,
        "machine": machine(),
        "versions": versions(),
        "parts": [_plain(outcome) for outcome in outcomes],
    }
    write_json(output, values)


def _plain(outcome: Outcome) -> dict[str, Any]:
    rows = [asdict(row) | {"value": _number(row.value), "met": row.met} for row in outcome.rows]
    return asdict(outcome) | {"rows": rows}


def _number(value: float | str) -> float | str:
    """JSON has no infinity, and nothing that is not a number."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
