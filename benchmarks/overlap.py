"""How much of the time that code verdicts take is hidden under generation?

    python -m benchmarks.overlap [--steps 5] [--prompts 64]

Trains the quickstart's model on programs; the engine completes one group after the other, and each group's programs run
in the sandbox from then on. After each step the same responses are judged once more with nothing beside them: how long
did the step wait for verdicts when all was generated, how long do they take alone, and what share of that was hidden?
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from statistics import median

import lightning.pytorch as pl

import run
from acereason.common.types import Group
from acereason.modules.hooks import RolloutCallback
from benchmarks.policies import quickstart_policy
from benchmarks.report import Row, print_rows


class JudgeAlone(RolloutCallback):
    """Judges each step's responses again, and remembers what both took."""

    def __init__(self, report: str) -> None:
        self.report = Path(report)
        self.seconds: list[dict[str, float]] = []

    def on_rollouts(self, trainer: pl.Trainer, module: pl.LightningModule, groups: list[Group]) -> None:
        """The step's verdicts are there: `module.seconds` tells how long it waited for them."""
        start = time.perf_counter()
        again = [module.rewards.submit(group.problem, r.response.text) for group in groups for r in group.rollouts]
        for verdict in again:
            verdict.result()
        alone = time.perf_counter() - start
        waited, generated = module.seconds["reward"], module.seconds["rollout"]
        self.seconds.append({"generated": generated, "waited": waited, "alone": alone})
        self.report.write_text(json.dumps(self.seconds))


def train(folder: str, steps: int, prompts: int) -> list[dict[str, float]]:
    """Seconds of each step but the first, which starts the workers."""
    stage = {"sources": ["programs"], "steps": steps + 1, "prompts_per_step": prompts, "max_response_length": 48}
    callbacks: list[dict] = [{"class_path": "Curriculum"}, {"class_path": "WeightSync"}]
    callbacks.append({"class_path": "benchmarks.overlap.JudgeAlone", "init_args": {"report": f"{folder}/seconds.json"}})
    overrides = [f"--data.stages={json.dumps({'code': stage})}", f"--trainer.callbacks={json.dumps(callbacks)}"]
    overrides += [f"--trainer.logger.save_dir={folder}", "--model.engine.max_rows=8"]  # one group at a time
    run.main(["fit", "--config=conf/quickstart/rl.yaml", *overrides])
    return json.loads(Path(folder, "seconds.json").read_text())[1:]


def measure(steps: int = 5, prompts: int = 64) -> list[Row]:
    """Medians over the steps."""
    quickstart_policy()
    with tempfile.TemporaryDirectory() as folder:
        taken = train(folder, steps, prompts)
    hidden = median(1 - step["waited"] / step["alone"] for step in taken)
    label = f"{prompts * 8} programs"
    named = {"generated": "generating", "alone": "verdicts alone", "waited": "waiting for verdicts"}
    rows = [Row(f"{label}: {what}", median(step[name] for step in taken), "s") for name, what in named.items()]
    return [*rows, Row(f"{label}: share of the verdicts hidden under generation", hidden, "ratio", at_least=0.95)]


def main() -> None:
    """Train and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--prompts", type=int, default=64, help="of a step; 8 responses each")
    arguments = parser.parse_args()
    print_rows(measure(arguments.steps, arguments.prompts))


if __name__ == "__main__":
    main()
