"""This module has the rules about entropy.

"Setting the training temperature such that the temperature-adjusted entropy remains around 0.3 typically leads to
effective RL training" (4.5.2). The rules speak on that section's two bad runs, T = 0.6 (entropy from 0.15, below 0.2
throughout) and T = 1.0 (from 0.4 down to 0.22), and are silent on its good one, T = 0.85 (from 0.26 up to 0.38).

| rule | fires when, over the last `window` steps of a stage |
|---|---|
| entropy_collapse | mean entropy is below `target` - `band` |
| entropy_blow_up | mean entropy is above `target` + `band` |
| entropy_decline | mean entropy is below `target`, and more than `band` below that of the stage's first steps |

The third rule is for the run at T = 1.0: its entropy stays within the band, and only the fall shows what goes wrong.
"""

from dataclasses import asdict, dataclass
from statistics import fmean

from acereason.runs.health.watch import History, Rule, Watch


@dataclass
class EntropyBand:
    """The band in which the temperature-adjusted entropy is fine."""

    target: float = 0.3
    """Wanted entropy in nats (4.5.2)."""
    band: float = 0.1
    """Largest distance from the target, and largest fall below it within a stage, that is fine, in nats."""
    window: int = 20
    """Number of steps over which the mean is taken."""

    def watch(self) -> Watch:
        """Return the rules, ready to be applied to a run."""
        rules: dict[str, Rule] = {
            "entropy_collapse": self._collapse,
            "entropy_blow_up": self._blow_up,
            "entropy_decline": self._decline,
        }
        return Watch(self.window, rules, asdict(self))

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

    def _decline(self, history: History) -> str | None:
        pair = history.both("policy/entropy")
        # why: below the target too, since a fall towards it from above is no harm
        if pair and fmean(pair[1]) < min(self.target, fmean(pair[0]) - self.band):
            return (
                f"entropy has fallen from {fmean(pair[0]):.3f} to {fmean(pair[1]):.3f} within the stage"
                f"{_temperature(history)}: the policy started with more noise than it can use and is losing it. Try a "
                "lower sampling temperature from the stage's start (`calibrate` tells which)"
            )
        return None


def _temperature(history: History) -> str:
    values = history.recent("policy/temperature")
    return f" at temperature {values[-1]:g}" if values else ""
