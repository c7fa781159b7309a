"""What verifier processes run, and the settings they get; imports nothing heavy, since each process pays for it."""

import time
from dataclasses import dataclass, field
from typing import Literal

from acereason.rewards import math
from acereason.rewards.answers.strictness import MathSettings
from acereason.types import Problem, Verdict


@dataclass
class RewardSettings:
    """How responses are judged."""

    workers: int = 2
    """Verifier processes of each rank."""
    timeout: float = 10.0
    """Seconds for one math response; a verifier that takes longer is killed and its verdict is error."""
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

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"rewards.workers must be at least 1, not {self.workers}")
        if not 0 <= self.max_error_rate <= 1:
            raise ValueError(f"rewards.max_error_rate must be in [0, 1], not {self.max_error_rate}")


def judge(problem: Problem, text: str, settings: RewardSettings) -> Verdict:
    """Run in a worker: the verifier of the task."""
    started = time.perf_counter()
    if problem.task != "math":
        raise ValueError(f"no verifier for task {problem.task!r}")
    verdict = math.verify(text, answers(problem), settings.math)
    verdict.detail["seconds"] = round(time.perf_counter() - started, 6)
    return verdict


def judge_in_steps(problem: Problem, text: str, settings: RewardSettings) -> Verdict:
    """Run in a worker: as judge, with what was compared on the way."""
    if problem.task != "math":
        return judge(problem, text, settings)
    steps: list[str] = []
    verdict = math.verify(text, answers(problem), settings.math, trace=steps)
    verdict.detail["steps"] = steps
    return verdict


def check_gold(problem: Problem, text: str, settings: RewardSettings) -> Verdict:
    """Run in a worker: whether the ground truth judges itself correct."""
    if problem.task != "math":
        return Verdict("error", {"error": f"no verifier for task {problem.task!r}"})
    reason = math.gold_problem(answers(problem), settings.math)
    return Verdict("error", {"error": reason}) if reason else Verdict("correct")


def answers(problem: Problem) -> list[str]:
    """Every acceptable answer, the first one first."""
    return [problem.answer, *problem.alternatives]
