"""Our side of the races: the real modules under the real Trainer, in the quickstart's configuration."""

import json
import tempfile
import warnings
from typing import Any

import lightning.pytorch as pl

import callbacks  # noqa: F401  named by their class below
from acereason.cli import lightning_cli
from benchmarks.grpo_step import Task
from benchmarks.race import Turns

END = "<|endoftext|>"
"""Ends a response, for TRL too."""
MICRO_BATCH_TOKENS = 2048


class TakeTurns(pl.Callback):
    """Listed last: a step is done when every callback has had it."""

    def __init__(self, turns: Turns, counted: str) -> None:
        self.turns, self.counted = turns, counted

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Ready."""
        self.turns.wait()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the step's tokens."""
        self.turns.count(outputs[self.counted])
        self.turns.step()


def grpo(turns: Turns, task: Task, policy: str, steps: int, engine: str) -> None:
    """`fit` as in the quickstart, without files."""
    stage = {"sources": ["mixed"], "steps": steps, "prompts_per_step": task.prompts, "overlong": "penalize"}
    stages = {"race": stage | {"max_response_length": task.budget}}
    listed = [
        {"class_path": "Curriculum"},
        {"class_path": "WeightSync"},
        {"class_path": "Overlong", "init_args": {"reward": -1.0}},
    ]
    overrides = [f"--data.stages={json.dumps(stages)}", "--data.benchmarks={}", f"--data.template.end={END}"]
    overrides += [f"--model.engine={engine}", f"--model.group_size={task.group_size}", "--model.normalize=batch"]
    fit(turns, "rl", policy, [*overrides, *_optimizer(task.learning_rate)], listed, "response/tokens")


def fit(
    turns: Turns, config: str, policy: str, overrides: list[str], listed: list[dict[str, Any]], counted: str
) -> None:
    """Train by a config of the quickstart, in turns. Small micro batches stay in a CPU's cache."""
    warnings.filterwarnings("ignore")
    arguments = [f"--config=conf/quickstart/{config}.yaml", f"--model.pretrained={policy}", "--trainer.logger=false"]
    arguments += [f"--trainer.callbacks={json.dumps(listed)}", "--trainer.enable_checkpointing=false"]
    arguments += [f"--model.micro_batch_tokens={MICRO_BATCH_TOKENS}"]
    arguments += [f"--trainer.default_root_dir={tempfile.mkdtemp()}"]
    cli = lightning_cli([*arguments, *overrides], run=False)
    cli.trainer.callbacks.append(TakeTurns(turns, counted))
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)


def _optimizer(rate: float) -> list[str]:
    """AdamW as TRL sets it by default."""
    return [f"--model.optimizer.init_args.lr={rate}", "--model.optimizer.init_args.weight_decay=0.0"]
