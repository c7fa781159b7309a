"""Judge responses in verifier processes. Nothing heavy is imported here, since each process would pay for it."""

import time
from dataclasses import dataclass, field, replace
from typing import Literal

from acereason.common.types import Problem, Verdict
from acereason.rewards.code import verdict as code
from acereason.rewards.code.compressed import tests_of
from acereason.rewards.code.sandboxes import slot
from acereason.rewards.code.verdict import CodeSettings
from acereason.rewards.math import verdict as math
from acereason.rewards.math.settings import MathSettings


@dataclass
class RewardSettings:
    """Settings for how responses are judged."""

    workers: int = 2
    """Verifier processes of each rank."""
    timeout: float = 10.0
    """Processor seconds for one math response, however busy the machine is; a verifier that takes longer, or sleeps as
    long, is killed and its verdict is error. For code the limit follows from the number of tests and code.seconds."""
    memory_gib: float = 4.0
    """Address space of a worker, GiB; beyond it the verdict is error."""
    max_waiting: int = 1024
    """Responses that may wait for a worker; submitting one more blocks."""
    max_error_rate: float = 0.05
    """Share of a step's verdicts that may be errors; above it the run stops and shows them."""
    after_think: Literal["require", "prefer"] = "prefer"
    """Where an answer counts. `require`: only after `</think>`, so that a response without it is wrong (AceReason 1.0:
    "answer appearing after the </think> token"); `prefer`: after it where there is one, else anywhere."""
    executor: Literal["local", "ray"] = "local"
    """Where the workers run: `local` on this machine, `ray` wherever the Ray cluster has free cores (extra `ray`)."""
    math: MathSettings = field(default_factory=MathSettings)
    """How strict math verdicts are."""
    code: CodeSettings = field(default_factory=CodeSettings)
    """How programs are run and compared."""

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"rewards.workers must be at least 1, not {self.workers}")
        if not 0 <= self.max_error_rate <= 1:
            raise ValueError(f"rewards.max_error_rate must be in [0, 1], not {self.max_error_rate}")


UNFINISHED = {"extracted": None, "path": "no </think>"}
"""Detail of the verdict on a response without `</think>`, where one is required."""


def unfinished(text: str, settings: RewardSettings) -> bool:
    """Return whether a response is wrong because it lacks `</think>`."""
    return settings.after_think == "require" and "</think>" not in text


def judge(problem: Problem, text: str, settings: RewardSettings) -> Verdict:
    """Judge a response by the verifier of its task. Runs in a worker."""
    started = time.perf_counter()
    if unfinished(text, settings):
        # why: a copy: the seconds are added to it below
        verdict = Verdict("wrong", dict(UNFINISHED))
    elif problem.task == "math":
        verdict = math.verify(text, answers(problem), settings.math)
    else:
        verdict = code.verify(text, tests_of(problem), settings.code)
    verdict.detail["seconds"] = round(time.perf_counter() - started, 6)
    return verdict


def judge_in_steps(problem: Problem, text: str, settings: RewardSettings) -> Verdict:
    """Judge a response and tell every comparison on the way, or every test's outcome. Runs in a worker."""
    if problem.task == "code" or unfinished(text, settings):
        return judge(problem, text, replace(settings, code=replace(settings.code, stop_at_first_failure=False)))
    steps: list[str] = []
    verdict = math.verify(text, answers(problem), settings.math, trace=steps)
    verdict.detail["steps"] = steps
    return verdict


def check_gold(problem: Problem, text: str, settings: RewardSettings) -> Verdict:
    """Judge a problem's ground truth: correct where it can serve, else an error that says why. Runs in a worker."""
    if problem.task == "math":
        reason = math.gold_problem(answers(problem), settings.math)
    else:
        reason = code.gold_problem(tests_of(problem), settings.code) if problem.tests else "no tests"
    return Verdict("error", {"error": reason}) if reason else Verdict("correct")


def isolation(settings: RewardSettings) -> str:
    """Return the sandbox's active and missing layers in one line. Runs in a worker."""
    limits, required = settings.code.limits, tuple(settings.code.min_isolation)
    return slot(limits, required, tuple(settings.code.packages)).program.isolation.describe()


def answers(problem: Problem) -> list[str]:
    """Return every acceptable answer, the main one first."""
    return [problem.answer, *problem.alternatives]
