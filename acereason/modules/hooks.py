"""Hooks of callbacks beyond Lightning's, and the interface that a callback may rely on.

A callback depends on nothing but: Lightning's hooks; the hooks below; `trainer.datamodule.stages`, `.plan`, `.stage`,
`.stage_ended` and `.problems`; `module.sampling`, `.group_size`, `.learning_rate`, `.push_weights()`, `.probe()`,
`.evaluate()`, `.rollout()`, `.counted()`, `.export()` and `.engine`; and the metrics that `training_step` returns,
which reach `on_train_batch_end` as `outputs`. Callbacks don't know each other: where order matters, the YAML states it.

A callback acts on the end of a step in `on_train_batch_end`: checkpoint callbacks come last there, so that a checkpoint
is a boundary between steps.
"""

from pathlib import Path

import lightning.pytorch as pl

from acereason.common.types import Group, Problem
from acereason.evaluation.accuracy import Accuracy


class RolloutCallback(pl.Callback):
    """A callback that takes part in choosing and changing the rollouts that a step trains on."""

    def select_problems(
        self, trainer: pl.Trainer, module: pl.LightningModule, problems: list[Problem]
    ) -> list[Problem]:
        """Choose the problems of an epoch. Runs when the epoch is planned, and again when a run resumes inside it: it
        must then return the same.

        Args:
            problems: the stage's problems, without those that earlier callbacks have left out.

        Returns:
            the problems that the epoch keeps, in the same order.
        """
        return problems

    def order_problems(self, trainer: pl.Trainer, module: pl.LightningModule, problems: list[Problem]) -> list[Problem]:
        """Order the problems of a step. Runs before its rollouts.

        Args:
            problems: this rank's share.

        Returns:
            the same problems, in the order in which the engine begins with them.
        """
        return problems

    def on_rollouts(self, trainer: pl.Trainer, module: pl.LightningModule, groups: list[Group]) -> None:
        """Runs when every rollout of the groups has its verdict: once a step, or once for each of `model.num_waves`.
        May change `reward`, `in_loss` and `in_baseline`.

        Args:
            groups: this rank's groups.
        """

    def on_metrics(self, trainer: pl.Trainer, module: pl.LightningModule, metrics: dict[str, float], step: int) -> None:
        """Runs whenever metrics have gone to the loggers, by training, by callbacks, and by evaluations."""

    def on_evaluation(self, trainer: pl.Trainer, module: pl.LightningModule, accuracies: dict[str, Accuracy]) -> None:
        """Runs when benchmarks have been evaluated, with their results by name."""


def run_folder(trainer: pl.Trainer) -> Path:
    """Return the folder of a run's files. Every rank must call it, not only the writer: Lightning broadcasts it."""
    return Path(trainer.log_dir)
