"""This module applies rules to a run as its steps come."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field

METRICS = {
    *("policy/entropy", "policy/temperature", "policy/grad_norm"),
    *("reward/correct", "reward/zero_variance", "reward/error_rate"),
    *("response/truncated", "response/length_mean"),
    *("sync/logprob_gap", "throughput/tokens_per_second"),
}
"""Names of the metrics that the rules look at."""


@dataclass
class History:
    """The first and the last `window` values of each metric in a stage, which is all that the rules look at."""

    window: int
    first: dict[str, list[float]] = field(default_factory=dict)
    last: dict[str, list[float]] = field(default_factory=dict)
    steps: int = 0

    def add(self, metrics: dict[str, float]) -> None:
        """Take in the metrics of a step."""
        self.steps += 1
        # why: these metrics alone, since the history is part of every checkpoint
        for name in METRICS & metrics.keys():
            if len(first := self.first.setdefault(name, [])) < self.window:
                first.append(metrics[name])
            self.last[name] = [*self.last.get(name, []), metrics[name]][-self.window :]

    def within(self, window: int) -> "History":
        """Return the history with another window, with as many of its values as are known."""
        first = {name: values[:window] for name, values in self.first.items()}
        last = {name: values[-window:] for name, values in self.last.items()}
        return History(window, first, last, self.steps)

    def recent(self, name: str) -> list[float] | None:
        """Return the last `window` values of a metric; None while there are fewer."""
        values = self.last.get(name, [])
        return values if len(values) == self.window else None

    def both(self, name: str) -> tuple[list[float], list[float]] | None:
        """Return the first and the last `window` values of a metric; None while they overlap."""
        recent = self.recent(name)
        return (self.first[name], recent) if recent and self.steps >= 2 * self.window else None


@dataclass
class Finding:
    """A rule that fired, with its message."""

    stage: str
    step: int
    """Number of the step after which it fired, counted as in the metrics."""
    rule: str
    message: str
    """The observation, and what to try."""


Rule = Callable[[History], str | None]
"""A rule looks at a stage's history and returns its observation with what to try; None when all is well."""


class Watch:
    """Applies rules to a run as its steps come; each rule fires at most once in a stage.

    Args:
        window: number of steps that a rule looks at.
        rules: the rules by their names.
        limits: the numbers in the rules, by name.
    """

    def __init__(self, window: int, rules: dict[str, Rule], limits: dict[str, float]) -> None:
        if window < 2:
            raise ValueError(f"window must be at least 2 steps, not {window}")
        self.window, self.rules, self.limits = window, rules, limits
        self.stage, self.history = "", History(window)
        self.fired: list[str] = []
        """Names of the rules that have fired in this stage."""

    def add(self, stage: str, metrics: dict[str, float]) -> None:
        """Take in the metrics of a step."""
        # why: budget and problems change with the stage, so that steps of two stages don't compare
        if stage != self.stage:
            self.stage, self.history, self.fired = stage, History(self.window), []
        self.history.add(metrics)

    def findings(self, step: int) -> list[Finding]:
        """Return the findings of the rules that fire now, after `step`."""
        told = {name: rule(self.history) for name, rule in self.rules.items() if name not in self.fired}
        found = [Finding(self.stage, step, name, message) for name, message in told.items() if message]
        self.fired += [finding.rule for finding in found]
        return found

    def state(self) -> dict:
        """Return the state as plain data, for a checkpoint."""
        state = {"stage": self.stage, "history": asdict(self.history), "fired": self.fired}
        return state | {"limits": self.limits}

    def restore(self, state: dict) -> None:
        """Go on from a state; under other limits every rule may fire again."""
        self.stage, self.history = state["stage"], History(**state["history"]).within(self.window)
        # why: a rule that fired under an old limit is silent in this stage otherwise; older states name no limits
        self.fired = state["fired"] if state.get("limits") == self.limits else []


def replay(
    steps: Iterable[tuple[int, str, dict[str, float]]], watches: list[Watch], every_n_steps: int = 10
) -> list[Finding]:
    """Return the findings that watches would have had in a run that had none.

    Args:
        steps: (step, stage, metrics) of each step.
        watches: fresh watches.
        every_n_steps: steps between two looks at the rules.
    """
    found = []
    for step, stage, metrics in steps:
        for watch in watches:
            watch.add(stage, metrics)
            found += watch.findings(step) if (step + 1) % every_n_steps == 0 else []
    return found
