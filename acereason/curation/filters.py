"""`filter`: rules on a prompt's text and answer, those of AceReason 1.0's RL prompts (arXiv 2505.16400, 3.1) where they
are public. Each rule is a function of (statement, answer) that returns what it found, or None."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from acereason.curation.grounds import has_ground_truth, problem_of
from acereason.curation.stages import Report
from acereason.curation.tables import Dropped, Prompts, write_dropped, write_examples
from acereason.errors import UserError
from acereason.rewards.pool import RewardPool
from acereason.types import Task

Rule = Callable[[str, str], str | None]


def _searches(pattern: str) -> Rule:
    compiled = re.compile(pattern, re.IGNORECASE)

    def rule(statement: str, answer: str) -> str | None:
        found = compiled.search(statement)
        return found[0] if found else None

    return rule


def _answers(*words: str) -> Rule:
    def rule(statement: str, answer: str) -> str | None:
        plain = re.sub(r"\\(?:text|mathrm|textbf)\b|[^A-Za-z ]", "", answer).strip().lower()
        return answer if plain in words else None

    return rule


def _either(*rules: Rule) -> Rule:
    def rule(statement: str, answer: str) -> str | None:
        return next((found for each in rules if (found := each(statement, answer))), None)

    return rule


def _no_answer(statement: str, answer: str) -> str | None:
    return None if answer.strip() else "no answer"


def _too_long(statement: str, answer: str) -> str | None:
    return f"{len(answer)} characters" if len(answer) > 100 else None


def _too_brief(statement: str, answer: str) -> str | None:
    return statement if len(statement.split()) < 5 and len(statement) < 30 else None


def _not_english(statement: str, answer: str) -> str | None:
    foreign = re.findall(r"[^\W\d_a-zA-Z\u00c0-\u024f\u0370-\u03ff]", statement)
    return "".join(foreign[:20]) if len(foreign) > 0.05 * len(statement) else None


RULES: dict[str, tuple[tuple[Task, ...], str, Rule]] = {
    "figures": (
        ("math", "code"),
        "needs a figure",
        _searches(
            r"\[asy\]|!\[|<img\b|\\includegraphics|\bhttps?://\S+\.(?:png|jpe?g|gif|svg)"
            r"|\b(?:figure|diagram|picture|graph|image)s?\b[^.]{0,20}\b(?:below|above|shown|on the (?:right|left))\b"
            r"|\b(?:shown|given|pictured|illustrated|depicted|see)\b[^.]{0,20}\b(?:figure|diagram|picture|image)\b"
            r"|\bin the (?:figure|diagram|picture|image)\b"
        ),
    ),
    "proofs": (
        ("math",),
        "asks for a proof",
        _searches(r"\b(?:prove|disprove)\b|\bshow that\b|\bgive a proof\b|\bproof\b"),
    ),
    "multiple_choice": (
        ("math",),
        "multiple choice",
        _either(
            _searches(
                r"(?s)(?:\(A\)|\bA[.):]|\\textbf\{\s*\(?A).*?(?:\(B\)|\bB[.):]|\\textbf\{\s*\(?B).*?(?:\(C\)|\bC[.):])"
            ),
            _searches(r"\bwhich of the following\b"),
            _answers("a", "b", "c", "d", "e"),
        ),
    ),
    "true_false": (
        ("math",),
        "true or false",
        _either(_answers("true", "false", "yes", "no"), _searches(r"\btrue or false\b")),
    ),
    "several_questions": (
        ("math",),
        "several questions",
        _searches(r"(?s)(?:^|\s)\(?(?:a|i|1)\)\s.*?\s\(?(?:b|ii|2)\)\s"),
    ),
    "answered": (("math",), "no answer", _no_answer),
    "short_answer": (("math",), "long answer", _too_long),
    "not_brief": (("math", "code"), "too brief", _too_brief),
    "english": (("math", "code"), "not English", _not_english),
}
"""name -> (tasks, reason, rule)."""


_MISSING: dict[Task, str] = {"math": "no answer", "code": "no tests that can be read"}


@dataclass
class Filters:
    """Which rules drop prompts."""

    rules: list[str] = field(default_factory=list)
    """Names of rules: figures, proofs, multiple_choice, true_false, several_questions, answered, short_answer,
    not_brief, english."""
    verifiable: bool = False
    """Drops math prompts whose answer the verifier can't read, and code prompts whose tests it can't."""

    def check(self) -> None:
        """Raise a UserError for a rule that isn't there."""
        if unknown := [name for name in self.rules if name not in RULES]:
            raise UserError(f"filters.rules: no rule {unknown[0]!r}; there are {sorted(RULES)}")


def filter_prompts(
    folder: Path, prompts: Prompts, kept: np.ndarray, config: Filters, pool: RewardPool, shown: int, seed: int
) -> Report:
    """Write which kept prompts the rules drop."""
    dropped: list[Dropped] = []
    for numbers, rows in prompts.rows(["task", "statement", "answer"], kept) if config.rules else ():
        for number, row in zip(numbers.tolist(), rows.to_pylist(), strict=True):
            dropped += by_rules(number, row, config.rules)
    if config.verifiable:
        left = kept.copy()
        left[[entry.number for entry in dropped]] = False
        dropped += _unverifiable(prompts, left, pool)
    before = int(kept.sum())
    reasons = write_dropped(folder, dropped)
    write_examples(folder / "examples.jsonl", dropped, prompts, shown, seed)
    return Report("prompts", before, before - len(dropped), reasons)


def by_rules(number: int, row: dict[str, str], names: list[str]) -> list[Dropped]:
    """The first rule's verdict on a prompt, if any drops it."""
    for name in names:
        tasks, reason, rule = RULES[name]
        if row["task"] in tasks and (found := rule(row["statement"], row["answer"])):
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
