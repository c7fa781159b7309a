"""Settings for how responses are judged."""

import math as numbers
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from acereason.rewards.code.settings import CodeSettings
from acereason.rewards.judge.settings import JudgeSettings
from acereason.rewards.math.settings import MathSettings

VERIFIER = "verifier"
"""Name, among `functions`, of the verifier of a problem's task."""
JUDGE = "judge"
"""Name, among `functions`, of the model that `judge` describes."""


@dataclass
class RewardSettings:
    """Settings for how responses are judged."""

    workers: int = 2
    """Verifier processes of each rank."""
    timeout: float = 10.0
    """Processor seconds for one math response, however busy the machine is; a verifier that takes longer, or sleeps as
    long, is killed and its verdict is error. The same holds for each of `functions`. For code the limit follows from
    the number of tests and code.seconds."""
    memory_gib: float = 4.0
    """Address space of a worker, GiB; beyond it the verdict is error."""
    max_waiting: int = 1024
    """Responses that may wait for a worker; submitting one more blocks."""
    max_error_rate: float = 0.05
    """Share of a step's verdicts that may be errors; above it the run stops and shows them."""
    after_think: Literal["require", "prefer"] = "prefer"
    """Where an answer counts. `require`: only after `</think>`, so that a response without it is wrong (AceReason 1.0:
    "answer appearing after the </think> token"); `prefer`: after it where there is one, else anywhere. Functions of
    your own see the whole response."""
    executor: Literal["local", "ray"] = "local"
    """Where the workers run: `local` on this machine, `ray` wherever the Ray cluster has free cores (extra `ray`)."""
    functions: dict[str, float] | str = field(default_factory=dict)
    """Rewards of your own, each with its weight: {mine.brief: 1.0}, or {verifier: 1.0, mine.brief: 0.2}; a name alone,
    mine.brief, has weight 1. A name is that of a function `(problem, text)` that returns a truth value, a number or a
    `Verdict`, or that of a subclass of `acereason.rewards.verifier.Verifier`; `verifier` is the verifier of the
    problem's task, `judge` the model of the key `judge`. The reward is the weighted sum. The first one decides whether
    a response is `correct`: by True, a number of at least 1, or its `Verdict`. {}: the task's verifier alone."""
    judge: JudgeSettings | None = None
    """A language model that judges, where `functions` names `judge`; null: none."""
    math: MathSettings = field(default_factory=MathSettings)
    """How strict math verdicts are."""
    code: CodeSettings = field(default_factory=CodeSettings)
    """How programs are run and compared."""

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"rewards.workers must be at least 1, not {self.workers}")
        if not 0 <= self.max_error_rate <= 1:
            raise ValueError(f"rewards.max_error_rate must be in [0, 1], not {self.max_error_rate}")
        if (JUDGE in self.weights) != (self.judge is not None):
            raise ValueError("rewards.judge: goes with the name judge among rewards.functions; give both, or neither")
        for name, weight in self.weights.items():
            if not numbers.isfinite(weight):
                raise ValueError(f"rewards.functions: the weight of {name} must be a finite number, not {weight}")

    @property
    def weights(self) -> dict[str, float]:
        """{name of a function: its weight}"""
        return {self.functions: 1.0} if isinstance(self.functions, str) else self.functions

    def identity(self) -> dict[str, Any]:
        """Return the settings that verdicts depend on, as plain data."""
        # why: without the number of workers, for one, which changes no verdict and must not void samples that are kept
        names = ("math", "code", "after_think", "timeout", "memory_gib")
        return {name: asdict(self)[name] for name in names} | self.own_identity()

    def own_identity(self) -> dict[str, Any]:
        """Return the part of `identity` that names rewards of a user's own; empty where there are none."""
        # why: folders that were begun before there were such rewards have no entry for them
        judged = {"judge": self.judge.identity()} if self.judge else {}
        return {"functions": dict(self.weights), **judged} if self.weights else {}
