"""What a verifier is, and the calls of it that run in worker processes. Nothing heavy is imported here."""

import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar

from acereason.common.types import Problem, Verdict
from acereason.rewards.settings import RewardSettings

Judgement = Verdict | bool | float
"""What a verifier or a function returns: True is correct; a number is the reward, and correct from 1 on."""


class Verifier(ABC):
    """Judges responses to problems. Only `judge` has no default."""

    takes_tests: ClassVar[bool] = False
    """Whether the ground truth of its problems is tests; else it is an answer."""
    curated: ClassVar[bool] = True
    """Whether `curate` takes its problems, for which it has rules, balances and sizes."""

    def __init_subclass__(cls) -> None:
        """Take back `decisive` where a subclass judges in another way, which may depend on more."""
        if vars(cls).keys() & {"look", "judge"} and "decisive" not in vars(cls):
            cls.decisive = Verifier.decisive  # type: ignore[method-assign]

    def __init__(self, settings: RewardSettings) -> None:
        self.settings = settings

    def look(self, problem: Problem, text: str) -> Verdict | str:
        """Return the verdict on a response where a look settles it, else the part of it that `judge` is to have.

        Runs in the caller's process, so that it must end in microseconds whatever the response holds.
        """
        return text

    def decisive(self, text: str) -> str | None:
        """Return the part on which alone `judge`'s verdict depends, so that it needs to be judged once for a problem;
        None where the same part might get another verdict. Runs in the caller's process, as `look` does.
        """
        return None

    @abstractmethod
    def judge(self, problem: Problem, text: str) -> Judgement:
        """Judge what `look` has left. Runs in a worker, which may hang or crash: that is a verdict of `error`."""

    def explain(self, problem: Problem, text: str) -> Judgement:
        """Judge a whole response, and add every step on the way to the verdict's detail. Runs in a worker."""
        seen = self.look(problem, text)
        return seen if isinstance(seen, Verdict) else self.judge(problem, seen)

    def ground_truth_problem(self, problem: Problem) -> str | None:
        """Return why a problem's ground truth can't serve, or None. Runs in a worker."""
        return None

    def deadline(self, problem: Problem) -> float:
        """Return the processor seconds after which a worker is killed."""
        return self.settings.timeout


def judge(method: Callable[[Problem, str], Judgement], problem: Problem, text: str) -> Verdict:
    """Return the verdict of a verifier's method, with its seconds. Runs in a worker."""
    started = time.perf_counter()
    verdict = as_verdict(method(problem, text))
    verdict.detail["seconds"] = round(time.perf_counter() - started, 6)
    return verdict


def check_ground_truth(verifier: Verifier, problem: Problem) -> str | None:
    """Return why a problem's ground truth can't serve, or None. Runs in a worker."""
    return verifier.ground_truth_problem(problem)


def as_verdict(judgement: Any) -> Verdict:
    """Return a verifier's judgement as a verdict.

    Raises:
        TypeError: it is none of truth value, number and verdict, or its detail is no plain data.
        ValueError: its number isn't finite.
    """
    if isinstance(judgement, Verdict):
        _check_number(judgement.reward or 0.0)
        # why: verdicts are written as JSON, hours later and in another process
        json.dumps(judgement.detail)
        return judgement
    # why: a scalar of NumPy or torch is no bool or float, but holds one
    value = judgement.item() if hasattr(judgement, "item") else judgement
    if not isinstance(value, Real):
        raise TypeError(f"returned {judgement!r:.100}, which is no truth value, number or Verdict")
    _check_number(number := float(value))
    return Verdict("correct" if number >= 1 else "wrong", {}, None if isinstance(value, bool) else number)


def _check_number(value: float) -> None:
    if not math.isfinite(value):
        raise ValueError(f"returned {value}, which is no finite number")
