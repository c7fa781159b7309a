"""Results of `calibrate` as people see them: a table, a curve, and a file."""

from dataclasses import asdict
from pathlib import Path

from matplotlib.figure import Figure
from rich.table import Table

from acereason.algorithm.calibration import TRIALS, Trial, temperature_for
from acereason.common.files import save_figure, write_json


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
