"""What verifier processes run, and the settings they get; imports nothing heavy, since each process pays for it."""

import time
from dataclasses import dataclass, field, replace
from typing import Literal

from acereason.rewards import code, math
from acereason.rewards.answers.strictness import MathSettings
from acereason.rewards.code import CodeSettings
from acereason.rewards.slots import slot
from acereason.types import Problem, Tests, Verdict


@dataclass
class RewardSettings:
    """How responses are judged."""

    workers: int = 2
    """Verifier processes of each rank."""
    timeout: float = 10.0
    """Seconds for one math response; a verifier that takes longer is killed and its verdict is error. For code they
    follow from the number of tests and code.seconds."""
    memory_gib: float = 4.0
    """Address space of a worker, GiB; beyond it the verdict is error."""
    max_waiting: int = 1024
    """Responses that may wait for a worker; submitting another one waits."""
    max_error_rate: float = 0.05
    """Share of a step's verdicts that may be errors; above it the run stops and shows them."""
    executor: Literal["local", "ray"] = "local"
    """Where the workers are: `local` is this machine, `ray` wherever the Ray cluster has free cores (extra `ray`)."""
    math: MathSettings = field(default_factory=MathSettings)
    """How strict math verdicts are."""
    code: CodeSettings = field(default_factory=CodeSettings)
    """How programs are run and compared."""

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"rewards.workers must be at least 1, not {self.workers}")
        if not 0 <= self.max_error_rate <= 1:
            raise ValueError(f"rewards.max_error_rate must be in [0, 1], not {self.max_error_rate}")


def judge(problem: Problem, text: str, settings: RewardSettings) -> Verdict:
    """Run in a worker: the verifier of the task."""
    started = time.perf_counter()
    if problem.task == "math":
        verdict = math.verify(text, answers(problem), settings.math)
    else:
        verdict = code.verify(text, tests_of(problem), settings.code)
    verdict.detail["seconds"] = round(time.perf_counter() - started, 6)
    return verdict


def judge_in_steps(problem: Problem, text: str, settings: RewardSettings) -> Verdict:
    """Run in a worker: as judge, with what was compared on the way, or every test's outcome."""
    if problem.task == "code":
        return judge(problem, text, replace(settings, code=replace(settings.code, stop_at_first_failure=False)))
    steps: list[str] = []
    verdict = math.verify(text, answers(problem), settings.math, trace=steps)
    verdict.detail["steps"] = steps
    return verdict


def check_gold(problem: Problem, text: str, settings: RewardSettings) -> Verdict:
    """Run in a worker: whether the ground truth judges itself correct."""
    if problem.task == "math":
        reason = math.gold_problem(answers(problem), settings.math)
    else:
        reason = code.gold_problem(problem.tests, settings.code) if problem.tests else "no tests"
    return Verdict("error", {"error": reason}) if reason else Verdict("correct")


def isolation(settings: RewardSettings) -> str:
    """Run in a worker: the sandbox's layers in force and those that are missing, in one line."""
    limits, required = settings.code.limits, tuple(settings.code.min_isolation)
    return slot(limits, required).program.isolation.describe()


def tests_of(problem: Problem) -> Tests:
    """The tests of a code problem."""
    if problem.tests is None:
        raise ValueError(f"{problem.id}: a code problem needs tests")
    return problem.tests


def answers(problem: Problem) -> list[str]:
    """Every acceptable answer, the first one first."""
    return [problem.answer, *problem.alternatives]
