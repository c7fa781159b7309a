"""How much of the time that code verdicts take is hidden under generation?

    python -m benchmarks.overlap [--steps 6]

Trains the quickstart's model on programs. After each step the same responses are judged once more with nothing beside
them: how long did the step wait for verdicts when all was generated, how long do they take alone, and what share of
that was hidden? First a step of 64 prompts, whose engine completes one group after the other; then the quickstart's
code stage, 16 prompts, all of whose responses begin at once and are over after 40 tokens. There steps take turns with
such whose responses go to the verifiers when all have ended.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import lightning.pytorch as pl
from typing_extensions import override

import run
from acereason.common.types import Group, Problem, Sampling
from acereason.modules.hooks import RolloutCallback
from acereason.rollouts.engine import Ended
from acereason.rollouts.hf import HFEngine
from acereason.sandbox.clock import family, used
from benchmarks.policies import quickstart_policy
from benchmarks.report import Row, print_rows


class Turns(HFEngine):
    """The embedded engine; with `at_the_end` a response is told when all have ended."""

    at_the_end = False
    spent = 0.0
    """Processor seconds of the last generation that told at its end."""

    @override
    def responses(self, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int) -> Iterator[Ended]:
        ended, started = super().responses(problems, sampling, num_rollouts, seed), time.process_time()
        if self.at_the_end:
            ended = iter(list(ended))
            self.spent = time.process_time() - started
        yield from ended


class JudgeAlone(RolloutCallback):
    """Judges each step's responses again, and remembers what both took.

    Args:
        report: file of the seconds.
        turns: whether every second step tells its responses at the end.
    """

    def __init__(self, report: str, turns: bool) -> None:
        self.report, self.turns = Path(report), turns
        self.seconds: list[dict[str, float]] = []

    def on_rollouts(self, trainer: pl.Trainer, module: pl.LightningModule, groups: list[Group]) -> None:
        """The step's verdicts are there: `module.seconds` tells how long it waited for them."""
        start, before = time.perf_counter(), used(family(os.getpid()))
        again = [module.rewards.submit(group.problem, r.response.text) for group in groups for r in group.rollouts]
        for verdict in again:
            verdict.result()
        alone = {"alone": time.perf_counter() - start, "judging": used(family(os.getpid())) - before}
        alone |= {"waited": module.seconds["reward"], "generated": module.seconds["rollout"]}
        self.seconds.append(alone | {"generating": module.engine.spent})
        self.report.write_text(json.dumps(self.seconds))
        module.engine.at_the_end = self.turns and not module.engine.at_the_end


def train(folder: str, steps: int, prompts: int, turns: bool) -> list[dict[str, float]]:
    """Seconds of each step but the first two, which start the workers."""
    stage = {"sources": ["programs"], "steps": steps + 2, "prompts_per_step": prompts, "max_response_length": 40}
    callbacks: list[dict] = [{"class_path": "Curriculum"}, {"class_path": "WeightSync"}]
    judge = {"report": f"{folder}/seconds.json", "turns": turns}
    callbacks.append({"class_path": "benchmarks.overlap.JudgeAlone", "init_args": judge})
    overrides = [f"--data.stages={json.dumps({'code': stage})}", f"--trainer.callbacks={json.dumps(callbacks)}"]
    overrides += [f"--trainer.logger.save_dir={folder}", "--model.engine=benchmarks.overlap.Turns"]
    overrides += [] if turns else ["--model.engine.max_rows=8"]  # one group at a time
    run.main(["fit", "--config=conf/quickstart/rl.yaml", *overrides])
    return json.loads(Path(folder, "seconds.json").read_text())[2:]


def measure(steps: int = 6) -> list[Row]:
    """Medians over the steps."""
    quickstart_policy()
    with tempfile.TemporaryDirectory() as folder:
        rows = _rows("64 prompts, a group at a time", train(folder, steps, 64, turns=False), asked=0.95)
    with tempfile.TemporaryDirectory() as folder:
        taken = train(folder, 2 * steps, 16, turns=True)
    before, now = taken[1::2], taken[::2]
    rows += _rows("quickstart's code stage, told at the end", before)
    rows += _rows("quickstart's code stage", now, asked=0.95)
    return rows + _bounds("quickstart's code stage", before, now)


def _bounds(label: str, before: list[dict[str, float]], now: list[dict[str, float]]) -> list[Row]:
    """What the machine's cores allow: verdicts have those that a generation on one core leaves free."""
    both = [median(step["generated"] + step["waited"] for step in steps) for steps in (before, now)]
    generating, judging = (median(step[name] for step in before) for name in ("generating", "judging"))
    most = min(1.0, ((os.cpu_count() or 1) - 1) * generating / judging)
    return [
        Row(f"{label}, generating and waiting: at the end / now", both[0] / both[1], "ratio"),
        Row(f"{label}: processor time of generating, of the verdicts", f"{generating:.2f}, {judging:.2f}", "s"),
        Row(f"{label}: share of the verdicts that fits beside a generation on one core", most, "ratio"),
    ]


def _rows(label: str, taken: list[dict[str, float]], asked: float | None = None) -> list[Row]:
    named = {"generated": "generating", "alone": "verdicts alone", "waited": "waiting for verdicts"}
    rows = [Row(f"{label}: {what}", median(step[name] for step in taken), "s") for name, what in named.items()]
    hidden = median(1 - step["waited"] / step["alone"] for step in taken)
    return [*rows, Row(f"{label}: share of the verdicts hidden under generation", hidden, "ratio", at_least=asked)]


def main() -> None:
    """Train and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=6)
    print_rows(measure(parser.parse_args().steps))


if __name__ == "__main__":
    main()
