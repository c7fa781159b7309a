"""Our side of the races: the real modules under the real Trainer, in the quickstart's configuration."""

import json
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl

import callbacks  # noqa: F401  named by their class below
from acereason.modules.base import QwenModule
from acereason.verbs.lightning_cli import lightning_cli
from acereason.verbs.starting import Begin
from benchmarks import grpo_step, sft_step
from benchmarks.race import Turns

END = "<|endoftext|>"
"""Ends a response, for TRL too."""
MICRO_BATCH_TOKENS = 2048
"""In GRPO. In SFT a pass holds as many as TRL's with a row each."""

Count = Callable[[Any, Any], float]
"""Tokens of a step, from what `training_step` returns and its batch."""


class TakeTurns(pl.Callback):
    """Listed last: a step is done when every callback has had it."""

    def __init__(self, turns: Turns, count: Count) -> None:
        self.turns, self.count = turns, count

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Ready."""
        self.turns.wait()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the step's tokens."""
        self.turns.count(self.count(outputs, batch))
        self.turns.step()


def grpo(turns: Turns, task: grpo_step.Task, policy: str, steps: int, engine: str) -> None:
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
    overrides += _optimizer(task.learning_rate)
    fit(turns, "rl", policy, overrides, listed, lambda outputs, _: outputs["response/tokens"])


def sft(turns: Turns, task: sft_step.Task, folder: str, steps: int) -> None:
    """The same for SFT, on a file of rows."""
    fields = {"statement": "prompt", "answer": None, "solution": "completion"}
    sources = {"race": {"path": f"{folder}/rows.jsonl", "fields": fields}}
    overrides = [f"--data.sources={json.dumps(sources)}", "--data.heldout={}", f"--data.template.end={END}"]
    overrides += ["--data.template.math={statement}", "--data.template.layout={user}"]
    overrides += ['--model.backbone={"config": null, "tokenizer": null}']
    overrides += [f"--data.max_length={sft_step.MAX_LENGTH}", f"--data.batch_size={task.batch_size}"]
    overrides += [f"--model.micro_batch_tokens={sft_step.MAX_LENGTH}"]
    overrides += [f"--trainer.max_steps={steps}", "--trainer.max_epochs=-1", *_optimizer(task.learning_rate)]
    fit(turns, "sft", f"{folder}/policy", overrides, [], lambda _, rows: sum(len(row["token_ids"]) for row in rows))


def fit(
    turns: Turns, config: str, policy: str, overrides: list[str], listed: list[dict[str, Any]], count: Count
) -> None:
    """Train by a config of the quickstart, in turns. Small micro batches stay in a CPU's cache."""
    warnings.filterwarnings("ignore")
    arguments = [f"--config=conf/quickstart/{config}.yaml", f"--model.pretrained={policy}", "--trainer.logger=false"]
    arguments += [f"--trainer.callbacks={json.dumps(listed)}", "--trainer.enable_checkpointing=false"]
    arguments += [f"--model.micro_batch_tokens={MICRO_BATCH_TOKENS}"]
    arguments += [f"--trainer.default_root_dir={tempfile.mkdtemp()}"]
    train([*arguments, *overrides], TakeTurns(turns, count))


def train(arguments: list[str], watch: pl.Callback) -> QwenModule:
    """`fit` with a callback that looks on, listed last, and without a run's folder: nothing is written."""
    cli = lightning_cli(arguments, run=False)
    listed = [callback for callback in cli.trainer.callbacks if not isinstance(callback, Begin)]
    cli.trainer.callbacks = [*listed, watch]
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    return cli.model


def _optimizer(rate: float) -> list[str]:
    """AdamW as TRL sets it by default."""
    return [f"--model.optimizer.init_args.lr={rate}", "--model.optimizer.init_args.weight_decay=0.0"]
