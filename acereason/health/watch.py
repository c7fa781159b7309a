"""Rules applied to a run as its steps come."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field

METRICS = {
    *("policy/entropy", "policy/temperature", "policy/grad_norm"),
    *("reward/correct", "reward/zero_variance", "reward/error_rate"),
    *("response/truncated", "response/length_mean"),
    *("sync/logprob_gap", "throughput/tokens_per_second"),
}
"""What the rules look at."""


@dataclass
class History:
    """What the rules need of a stage's steps: the first and the last `window` values of each metric."""

    window: int
    first: dict[str, list[float]] = field(default_factory=dict)
    last: dict[str, list[float]] = field(default_factory=dict)
    steps: int = 0

    def add(self, metrics: dict[str, float]) -> None:
        """Take in a step."""
        self.steps += 1
        for name in METRICS & metrics.keys():
            if len(first := self.first.setdefault(name, [])) < self.window:
                first.append(metrics[name])
            self.last[name] = [*self.last.get(name, []), metrics[name]][-self.window :]

    def within(self, window: int) -> "History":
        """The same with another window, as far as it is known."""
        first = {name: values[:window] for name, values in self.first.items()}
        last = {name: values[-window:] for name, values in self.last.items()}
        return History(window, first, last, self.steps)

    def recent(self, name: str) -> list[float] | None:
        """The last `window` values; None while there are fewer."""
        values = self.last.get(name, [])
        return values if len(values) == self.window else None

    def both(self, name: str) -> tuple[list[float], list[float]] | None:
        """The first and the last `window` values; None while they overlap."""
        recent = self.recent(name)
        return (self.first[name], recent) if recent and self.steps >= 2 * self.window else None


@dataclass
class Finding:
    """A rule that fired."""

    stage: str
    step: int
    """The step after which it did, counted as the metrics' are."""
    rule: str
    message: str
    """What is seen, and what to try."""


Rule = Callable[[History], str | None]
"""What is seen in a stage's steps, and what to try; None when all is well."""


class Watch:
    """Applies rules to a run as its steps come; each rule speaks once a stage.

    Args:
        window: steps that a rule looks at.
        rules: by name.
        limits: the numbers in them.
    """

    def __init__(self, window: int, rules: dict[str, Rule], limits: dict[str, float]) -> None:
        if window < 2:
            raise ValueError(f"window must be at least 2 steps, not {window}")
        self.window, self.rules, self.limits = window, rules, limits
        self.stage, self.history = "", History(window)
        self.fired: list[str] = []
        """Rules that have spoken in this stage."""

    def add(self, stage: str, metrics: dict[str, float]) -> None:
        """Take in a step."""
        if stage != self.stage:
            self.stage, self.history, self.fired = stage, History(self.window), []
        self.history.add(metrics)

    def findings(self, step: int) -> list[Finding]:
        """What the rules have to say now, after `step`."""
        told = {name: rule(self.history) for name, rule in self.rules.items() if name not in self.fired}
        found = [Finding(self.stage, step, name, message) for name, message in told.items() if message]
        self.fired += [finding.rule for finding in found]
        return found

    def state(self) -> dict:
        """Plain data for a checkpoint."""
        state = {"stage": self.stage, "history": asdict(self.history), "fired": self.fired}
        return state | {"limits": self.limits}

    def restore(self, state: dict) -> None:
        """Go on from what `state` gave; under other limits every rule may speak again."""
        self.stage, self.history = state["stage"], History(**state["history"]).within(self.window)
        self.fired = state["fired"] if state.get("limits") == self.limits else []  # older ones have none


def replay(
    steps: Iterable[tuple[int, str, dict[str, float]]], watches: list[Watch], every_n_steps: int = 10
) -> list[Finding]:
    """What watches would have said of the (step, stage, metrics) of a run that had none."""
    found = []
    for step, stage, metrics in steps:
        for watch in watches:
            watch.add(stage, metrics)
            found += watch.findings(step) if (step + 1) % every_n_steps == 0 else []
    return found
