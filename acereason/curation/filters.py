"""The stage `filter` drops prompts that the named rules find, and prompts whose ground truth no verifier can read."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from acereason.common.errors import UserError
from acereason.common.types import Task
from acereason.curation.grounds import has_ground_truth, problem_of
from acereason.curation.rules import RULES
from acereason.curation.stages import Report
from acereason.curation.tables import Dropped, Prompts, write_dropped, write_examples
from acereason.rewards.pool import RewardPool

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


def filter_prompts(
    folder: Path, prompts: Prompts, kept: np.ndarray, config: Filters, pool: RewardPool, shown: int, seed: int
) -> Report:
    """Write which kept prompts the rules drop.

    Args:
        folder: folder of the stage.
        prompts: all prompts.
        kept: [P] bool, the prompts that the stages before have kept.
        config: the rules.
        pool: judges ground truths.
        shown: number of examples of each reason.
        seed: seed of the choice of examples.
    """
    dropped: list[Dropped] = []
    for numbers, rows in prompts.rows(["task", "statement", "answer"], kept) if config.rules else ():
        for number, row in zip(numbers.tolist(), rows.to_pylist(), strict=True):
            dropped += by_rules(number, row, config.rules)
    # why: after the rules, which are cheap: the verifier then has fewer ground truths to read
    if config.verifiable:
        left = kept.copy()
        left[[entry.number for entry in dropped]] = False
        dropped += _unverifiable(prompts, left, pool)
    before = int(kept.sum())
    reasons = write_dropped(folder, dropped)
    write_examples(folder / "examples.jsonl", dropped, prompts, shown, seed)
    return Report("prompts", before, before - len(dropped), reasons)


def by_rules(number: int, row: dict[str, str], names: list[str]) -> list[Dropped]:
    """Return a prompt as dropped by the first of the rules that finds it; empty where none does."""
    for name in names:
        tasks, reason, rule = RULES[name]
        if row["task"] in tasks and (found := rule(row["statement"], row["answer"])):
            # why: evidence is for people to look at, and the found text may be pages long
            return [Dropped(number, reason, {"rule": name, "found": found[:200]})]
    return []


def _unverifiable(prompts: Prompts, kept: np.ndarray, pool: RewardPool) -> list[Dropped]:
    dropped = []
    for numbers, rows in prompts.rows(["id", "task", "answer", "tests"], kept):
        problems = [problem_of(row) for row in rows.to_pylist()]
        judged = iter(pool.gold_problems([problem for problem in problems if has_ground_truth(problem)]))
        for number, problem in zip(numbers.tolist(), problems, strict=True):
            why = next(judged) if has_ground_truth(problem) else _MISSING[problem.task]
            dropped += [Dropped(number, "not verifiable", {"rule": "verifiable", "found": why[:200]})] if why else []
    return dropped
