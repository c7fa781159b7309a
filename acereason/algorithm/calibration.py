"""Results of `calibrate`: the sampling temperature that gives a policy its target entropy, with table and curve."""

from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from matplotlib.figure import Figure
from rich.table import Table

from acereason.common.files import save_figure, write_json

TRIALS = "trials.jsonl"
"""File of the finished trials of a sweep that is not finished."""


@dataclass
class Calibration:
    """Settings of a sweep over temperatures."""

    temperatures: list[float]
    stage: str
    """Stage whose problems and response budget are taken."""
    problems: int
    """Problems, the first of the stage in a seeded order."""
    rollouts: int
    """Responses of each problem."""
    masks: bool
    """Whether the stage masks truncated responses, whose tokens then are not in the loss."""
    folder: Path
    """Folder of the results, and of the trials until then."""


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


def table(trials: list[Trial], title: str) -> Table:
    """Return a table of the trials for the terminal."""
    drawn = Table("temperature", "entropy", "of all responses", "mean reward", "truncated", "mean length", title=title)
    for trial in trials:
        row = (f"{trial.temperature:g}", f"{trial.entropy:.3f}", f"{trial.entropy_all:.3f}", f"{trial.reward:.3f}")
        drawn.add_row(*row, f"{trial.truncated:.1%}", f"{trial.length:.0f}")
    return drawn


def draw(trials: list[Trial], target: float, title: str) -> Figure:
    """Plot entropy and mean reward over temperature, with the target."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    temperatures = [trial.temperature for trial in trials]
    axes.plot(temperatures, [trial.entropy for trial in trials], "o-", label="entropy (nats)")
    axes.axhline(target, color="0.5", linestyle="--", linewidth=1, label=f"target {target:g}")
    if (found := temperature_for(trials, target)) is not None:
        axes.axvline(found, color="0.5", linestyle=":", linewidth=1, label=f"T = {found:.3f}")
    rewards = axes.twinx()
    rewards.plot(temperatures, [trial.reward for trial in trials], "s-", color="tab:green", label="mean reward")
    axes.set(title=title, xlabel="temperature", ylabel="entropy at temperature T, nats")
    rewards.set_ylabel("mean reward")
    lines = axes.get_lines() + rewards.get_lines()
    axes.legend(lines, [str(line.get_label()) for line in lines], loc="upper center", fontsize=8)
    axes.grid(alpha=0.25)
    return figure


def write(trials: list[Trial], target: float, title: str, folder: Path) -> None:
    """Write `calibration.json` and `calibration.png` into the folder, and remove the file of single trials."""
    values = {"target": target, "temperature": temperature_for(trials, target), "trials": [asdict(t) for t in trials]}
    write_json(folder / "calibration.json", values)
    save_figure(folder / "calibration.png", draw(trials, target, title), dpi=130)
    (folder / TRIALS).unlink(missing_ok=True)
