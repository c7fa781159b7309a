"""Results of `calibrate`: the sampling temperature that gives a policy its target entropy."""

from dataclasses import dataclass
from itertools import pairwise

TRIALS = "trials.jsonl"
"""File of the finished trials of a sweep that is not finished."""


@dataclass
class Trial:
    """Statistics of the policy's rollouts at one temperature."""

    temperature: float
    entropy: float
    """Temperature-adjusted, in nats: mean over the tokens that the stage would have in the loss, as policy/entropy."""
    entropy_all: float
    """The same over the tokens of all responses, as response/entropy."""
    reward: float
    """Mean of the verifier's rewards."""
    truncated: float
    """Share of responses that reached their budget."""
    length: float
    """Mean tokens of a response."""


def temperature_for(trials: list[Trial], target: float) -> float | None:
    """Return the lowest temperature at which the entropy, interpolated linearly between the trials, is the target; None
    if there is none."""
    for low, high in pairwise(sorted(trials, key=lambda trial: trial.temperature)):
        below, above = sorted((low.entropy, high.entropy))
        # why: two trials of equal entropy have no slope to divide by
        if below <= target <= above and below < above:
            share = (target - low.entropy) / (high.entropy - low.entropy)
            return low.temperature + share * (high.temperature - low.temperature)
    return None


def verdict(trials: list[Trial], target: float) -> str:
    """Return the result of the sweep in a sentence."""
    found = temperature_for(trials, target)
    if found is not None:
        return f"temperature {found:.3f} gives entropy {target:g}"
    side = "higher" if max(trial.entropy for trial in trials) < target else "lower"
    return f"no temperature of these gives entropy {target:g}; sweep {side} ones"
