"""The stage `filter` drops prompts that the named rules find, and prompts whose ground truth no verifier can read."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from acereason.common.errors import UserError
from acereason.common.types import Task
from acereason.curation.context import Context
from acereason.curation.rules import RULES
from acereason.curation.stages import Report
from acereason.curation.tables import Dropped, Prompts, has_ground_truth, in_parts

_MISSING: dict[Task, str] = {"math": "no answer", "code": "no tests that can be read"}


@dataclass
class Filters:
    """The rules that drop prompts."""

    rules: list[str] = field(default_factory=list)
    """Names of rules: figures, proofs, multiple_choice, true_false, several_questions, answered, short_answer,
    not_brief, english."""
    verifiable: bool = False
    """Whether to drop math prompts whose answer, and code prompts whose tests, the verifier can't read."""

    def check(self) -> None:
        """Raise a UserError for a rule that isn't there."""
        if unknown := [name for name in self.rules if name not in RULES]:
            raise UserError(f"filters.rules: no rule {unknown[0]!r}; there are {sorted(RULES)}")


def filter_prompts(context: Context, to: Path, config: Filters) -> Report:
    """Write which kept prompts the rules drop."""
    kept = context.kept()
    dropped = list(_ruled_out(context.prompts, np.flatnonzero(kept), config.rules)) if config.rules else []
    # why: after the rules, which are cheap: the verifier then has fewer ground truths to read
    if config.verifiable:
        kept[[entry.number for entry in dropped]] = False
        dropped += _unverifiable(context, np.flatnonzero(kept))
    return context.drop(to, dropped)


def _ruled_out(prompts: Prompts, numbers: np.ndarray, names: list[str]) -> Iterator[Dropped]:
    for part in in_parts(numbers):
        rows = prompts.take(part, ["task", "statement", "answer"])
        for number, row in zip(part.tolist(), rows, strict=True):
            yield from by_rules(number, row, names)


def by_rules(number: int, row: dict[str, str], names: list[str]) -> list[Dropped]:
    """Return a prompt as dropped by the first of the rules that finds it; empty where none does."""
    for name in names:
        tasks, reason, rule = RULES[name]
        if row["task"] in tasks and (found := rule(row["statement"], row["answer"])):
            # why: evidence is for people to look at, and the found text may be pages long
            return [Dropped(number, reason, {"rule": name, "found": found[:200]})]
    return []


def _unverifiable(context: Context, numbers: np.ndarray) -> Iterator[Dropped]:
    """Yield the prompts whose ground truth is missing or can't be read."""
    for part in in_parts(numbers):
        problems = context.prompts.problems(part)
        flaws = iter(context.pool.gold_problems([problem for problem in problems if has_ground_truth(problem)]))
        for number, problem in zip(part.tolist(), problems, strict=True):
            flaw = next(flaws) if has_ground_truth(problem) else _MISSING[problem.task]
            if flaw:
                yield Dropped(number, "not verifiable", {"rule": "verifiable", "found": flaw[:200]})
