"""Hooks of callbacks beyond Lightning's, and the interface that a callback may rely on.

A callback depends on nothing but: Lightning's hooks; the hooks below; `module.curriculum` (its stages and its plan),
`.data` (`trainer.datamodule`, with `.stages`, `.plan`, `.stage`, `.stage_ended`, `.problems`), `.sampling`,
`.group_size`, `.learning_rate`, `.push_weights()`, `.probe()`, `.evaluate()`, `.rollout()`, `.counted()`, `.export()`,
`.record()` and `.engine`; and the metrics that `training_step` returns, which reach `on_train_batch_end` as `outputs`.
A callback that names the module's class in its hooks, as those of this project do, has all of that checked by mypy.
Callbacks don't know each other: where order matters, each class states its `place`.

A callback acts on the end of a step in `on_train_batch_end`: checkpoint callbacks come last there, so that a checkpoint
is a boundary between steps.
"""

from pathlib import Path
from typing import TypeVar

import lightning.pytorch as pl

from acereason.common.types import Group, Problem
from acereason.evaluation.accuracy import Accuracy

T = TypeVar("T")


class RolloutCallback(pl.Callback):
    """A callback that takes part in choosing and changing the rollouts that a step trains on."""

    def on_stage_start(self, trainer: pl.Trainer, module: pl.LightningModule, problems: list[Problem]) -> None:
        """Runs when a stage of `module.curriculum` begins, and when a run resumes within it: puts in force what the
        stage needs, before its problems are chosen.

        Args:
            problems: the stage's problems, without those that earlier callbacks have left out.
        """

    def select_problems(
        self, trainer: pl.Trainer, module: pl.LightningModule, problems: list[Problem]
    ) -> list[Problem]:
        """Choose the problems of an epoch, and change nothing. Runs when the epoch is planned, and again when a run
        resumes inside it: it must then return the same.

        Args:
            problems: the stage's problems, without those that earlier callbacks have left out.

        Returns:
            the problems that the epoch keeps, in the same order.
        """
        return problems

    def expected_lengths(
        self, trainer: pl.Trainer, module: pl.LightningModule, problems: list[Problem]
    ) -> list[float] | None:
        """Expect how long the responses to a step's problems will be. Runs before its rollouts. By these lengths the
        problems are dealt over ranks, and those with the longest responses begin. It must return the same on every
        rank.

        Args:
            problems: the step's, of all ranks.

        Returns:
            the mean length of each problem's responses in tokens, infinite where it is not known; None: no expectation.
        """
        return None

    def on_rollouts(self, trainer: pl.Trainer, module: pl.LightningModule, groups: list[Group]) -> None:
        """Runs when every rollout of the groups has its verdict: once a step, or once for each of `model.num_waves`;
        and once more for each round of a stage's `refill`. May change `reward`, `in_loss` and `in_baseline`.

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


def callbacks_of(run: pl.Trainer, kind: type[T]) -> list[T]:
    """Return the run's callbacks of a class, in the YAML's order."""
    # why: Lightning's annotations leave out `Trainer.callbacks`: this is the one place that takes it on trust
    return [callback for callback in run.callbacks if isinstance(callback, kind)]
