"""Rules about entropy.

"Setting the training temperature such that the temperature-adjusted entropy remains around 0.3 typically leads to
effective RL training" (4.5.2).

| rule | fires when, over the last `window` steps of a stage |
|---|---|
| entropy_collapse | mean entropy is below `target` - `band` |
| entropy_blow_up | mean entropy is above `target` + `band` |
"""

from dataclasses import dataclass
from statistics import fmean

from acereason.health.watch import History, Watch


@dataclass
class EntropyBand:
    """Where the temperature-adjusted entropy is fine."""

    target: float = 0.3
    """Nats (4.5.2)."""
    band: float = 0.15
    """Largest distance from the target that is fine, nats."""
    window: int = 20
    """Steps whose mean is looked at."""

    def watch(self) -> Watch:
        """The rules, ready to be applied to a run."""
        return Watch(self.window, {"entropy_collapse": self._collapse, "entropy_blow_up": self._blow_up})

    def _collapse(self, history: History) -> str | None:
        values = history.recent("policy/entropy")
        if values and fmean(values) < self.target - self.band:
            return (
                f"entropy is {fmean(values):.3f}{_temperature(history)}, below {self.target:g} - {self.band:g}: the "
                "policy hardly explores. Try a higher sampling temperature (`calibrate` tells which), or an earlier "
                "checkpoint"
            )
        return None

    def _blow_up(self, history: History) -> str | None:
        values = history.recent("policy/entropy")
        if values and fmean(values) > self.target + self.band:
            return (
                f"entropy is {fmean(values):.3f}{_temperature(history)}, above {self.target:g} + {self.band:g}: the "
                "policy explores at the cost of reward. Try a lower sampling temperature (`calibrate` tells which) or "
                "learning rate"
            )
        return None


def _temperature(history: History) -> str:
    values = history.recent("policy/temperature")
    return f" at temperature {values[-1]:g}" if values else ""
