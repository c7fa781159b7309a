"""Rewards as a user writes them, in a module that worker processes load in no time."""

import os
import time
from typing import Any

from acereason.common.types import Problem, Verdict
from acereason.rewards.verifier import Verifier


def exact(problem: Problem, text: str) -> bool:
    return text == problem.answer


def share(problem: Problem, text: str) -> float:
    """The share of the statement's characters that the response has."""
    return sum(letter in text for letter in problem.statement) / len(problem.statement)


def double(problem: Problem, text: str) -> Verdict:
    return Verdict("correct", {"seen": text}, 2.0)


def nothing(problem: Problem, text: str) -> None:
    return None


def infinite(problem: Problem, text: str) -> float:
    return float("inf")


def unwritable(problem: Problem, text: str) -> Verdict:
    return Verdict("correct", {"seen": object()})


def raises(problem: Problem, text: str) -> bool:
    raise KeyError("no such letter")


def hangs(problem: Problem, text: str) -> bool:
    time.sleep(60)
    return True


def dies(problem: Problem, text: str) -> bool:
    os._exit(7)


def one(problem: Problem) -> bool:
    return True


class Plain:
    """No verifier."""


class Headless(Verifier):
    """A verifier without `judge`."""


class Choice(Verifier):
    """Multiple choice, with all that a verifier may have."""

    def look(self, problem: Problem, text: str) -> Verdict | str:
        if text == "raise":
            raise ValueError("looked too closely")
        return Verdict("wrong", {"path": "a look"}) if not text else text[-1]

    def judge(self, problem: Problem, text: str) -> bool:
        return text == problem.answer

    def ground_truth_problem(self, problem: Problem) -> str | None:
        return None if problem.answer in set("ABCD") else "the answer is no letter"


def scalar(problem: Problem, text: str) -> Any:
    """A number as NumPy has it, without its import."""

    class Scalar:
        def item(self) -> float:
            return 0.25

    return Scalar()
