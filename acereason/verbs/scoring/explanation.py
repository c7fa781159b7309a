"""This module explains one verdict step by step, in words."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from acereason.common.types import Verdict
from acereason.rewards.code.compressed import tests_of
from acereason.rewards.pool import RewardPool
from acereason.verbs.scoring.rows import Row

_SHOWN_CELL = 80
"""Most characters of a test's input, output or message in a cell."""


def explain(row: Row, pool: RewardPool, console: Console) -> None:
    """Judge one row and print the steps that led to the verdict."""
    verdict = pool.explain(row.problem, row.response)
    console.print(Text(f"row {row.problem.id}, {row.problem.task}", style="bold"))
    if row.problem.tests is None:
        _print_steps(_math_steps(row, verdict), console)
    else:
        _explain_code(row, verdict, pool, console)
    functions = verdict.detail.get("functions", {}).items()
    _print_steps([("function", f"{name}: {_listed(entry)}") for name, entry in functions], console)
    reward = "none: the verifier failed" if verdict.reward is None else f"{verdict.reward:g}"
    style = {"correct": "green", "wrong": "yellow", "error": "red"}[verdict.status]
    console.print(Text(f"{'verdict':>13}  "), Text(verdict.status, style=style), Text(f", reward {reward}"), sep="")


def _print_steps(steps: list[tuple[str, str]], console: Console) -> None:
    for name, text in steps:
        # why: a Text, since a response may hold what rich would read as markup
        console.print(Text(f"{name:>13}  {_short(text)}"), soft_wrap=True)


def _explain_code(row: Row, verdict: Verdict, pool: RewardPool, console: Console) -> None:
    detail, program = verdict.detail, verdict.detail.get("extracted")
    _print_steps([("response", _ending(row)), ("isolation", pool.isolation())], console)
    if program is None:
        _print_steps([("program", "none: the response has no fenced block")], console)
    else:
        console.print(Syntax(program, "python", line_numbers=True, word_wrap=True))
    if "tests" in detail:
        console.print(_tests_table(row, verdict))
    _print_steps([("decided by", verdict.reason), ("seconds", f"{detail.get('seconds', 0.0):.4f}")], console)


def _tests_table(row: Row, verdict: Verdict) -> Table:
    table = Table("test", "outcome", "seconds")
    for name in ("input", "expected", "got, or what it said"):
        table.add_column(name, overflow="fold")
    tests, detail = tests_of(row.problem), verdict.detail
    for index, outcome in enumerate(detail["tests"]):
        expected = tests.outputs[index] if tests.outputs else "its assertions hold"
        got = "the expected" if outcome == "passed" else detail["notes"][index]
        cells = [str(index), outcome, f"{detail['seconds_each'][index]:.3f}", tests.inputs[index], expected, got]
        table.add_row(*(escape(_short(cell if isinstance(cell, str) else repr(cell), _SHOWN_CELL)) for cell in cells))
    return table


def _math_steps(row: Row, verdict: Verdict) -> list[tuple[str, str]]:
    detail = verdict.detail
    extracted = detail.get("extracted")
    nothing = "nothing" if "extracted" in detail else "unknown"
    after = " after </think>" if "</think>" in row.response else ""
    steps = [
        ("response", _ending(row)),
        (f"last box{after}", nothing if extracted is None else extracted),
        ("normal form", detail.get("normal")),
        ("ground truth", " | ".join([row.problem.answer, *row.problem.alternatives])),
        ("normal form", detail.get("answer")),
        *(("compared", step) for step in detail.get("steps", [])),
        ("decided by", verdict.reason),
        ("seconds", f"{detail['seconds']:.4f}" if "seconds" in detail else None),
    ]
    return [(name, str(text)) for name, text in steps if text is not None]


def _listed(entry: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in entry.items())


def _ending(row: Row) -> str:
    return f"{len(row.response)} characters, ending {row.response[-60:]!r}"


def _short(text: str, limit: int = 300) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[:limit]} … ({len(text)} characters)"
