"""Does the temperature controller bring the quickstart's policy to entropy 0.3, and hold it while the policy learns?

    python run.py recipe --config conf/quickstart.yaml
    python benchmarks/temperature.py [--picture docs/temperature.png]

Starts below and above the target, from the quickstart's SFT model, and prints the entropy by tens of steps.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import fmean

from matplotlib.figure import Figure

from acereason.runs.curves import read_curves

TARGET, BAND, STEPS = 0.3, 0.03, 80
STARTS = {"from below": 1.03, "from above": 1.27}


def trace(folder: Path, start: float) -> dict[str, list[float]]:
    """Entropy and temperature of each step of a run that starts at a temperature."""
    stage = {"sources": ["mixed"], "steps": STEPS, "prompts_per_step": 32, "max_response_length": 48}
    stages = {"hold": stage | {"temperature": start, "overlong": "penalize"}}
    callbacks = [{"class_path": "Curriculum"}, controller(), {"class_path": "WeightSync"}, {"class_path": "Overlong"}]
    logger = [f"--trainer.logger.save_dir={folder}", f"--trainer.logger.name={start}"]
    command = [sys.executable, "run.py", "fit", "--config=conf/quickstart/rl.yaml", *logger]
    command += [f"--data.stages={json.dumps(stages)}", f"--trainer.callbacks={json.dumps(callbacks)}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    curves = read_curves(folder / str(start))
    return {name: [value for _, value in curves[f"policy/{name}"]] for name in ("entropy", "temperature")}


def controller() -> dict:
    """The callback's entry in the YAML."""
    return {"class_path": "TemperatureController", "init_args": {"target": TARGET}}


def report(name: str, traced: dict[str, list[float]]) -> None:
    """When it arrives, and how well it stays."""
    entropies = traced["entropy"]
    inside = [abs(entropy - TARGET) <= BAND for entropy in entropies]
    arrival = next(step for step in range(STEPS) if all(inside[step : step + 5]))
    held = entropies[arrival:]
    print(f"{name}: entropy {entropies[0]:.3f} at T {traced['temperature'][0]:.3f}")
    print(f"  within {TARGET} +- {BAND} from step {arrival} on: {fmean(inside[arrival:]):.0%} of {len(held)} steps")
    print(f"  there: mean {fmean(held):.3f}, lowest {min(held):.3f}, highest {max(held):.3f}")
    tens = " ".join(f"{fmean(entropies[step : step + 10]):.3f}" for step in range(0, STEPS, 10))
    print(f"  by tens of steps: {tens}; T ends at {traced['temperature'][-1]:.3f}", flush=True)


def draw(traces: dict[str, dict[str, list[float]]]) -> Figure:
    """Entropy and temperature over steps."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("entropy", "temperature"), strict=True):
        for start, traced in traces.items():
            axes.plot(traced[name], label=start, linewidth=1.2)
        axes.set(title=name, xlabel="step")
        axes.grid(alpha=0.25)
    figure.axes[0].axhspan(TARGET - BAND, TARGET + BAND, color="0.5", alpha=0.2, linewidth=0)
    figure.axes[0].legend(fontsize=8)
    return figure


def main() -> None:
    """Run both starts one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, help="where to draw both traces")
    picture = parser.parse_args().picture
    traces = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, start in STARTS.items():
            traces[name] = trace(Path(folder), start)
            report(name, traces[name])
    if picture:
        draw(traces).savefig(picture, dpi=130)


if __name__ == "__main__":
    main()
