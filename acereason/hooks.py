"""The one hook beyond Lightning's, and what a callback may rely on.

A callback depends on nothing but: Lightning's hooks; `on_rollouts`; `trainer.datamodule.stage`, `.plan`, `.solved`;
`module.sampling`, `.group_size`, `.learning_rate`, `.push_weights()`; and the metrics that `training_step` returns,
which reach `on_train_batch_end` as `outputs`. Callbacks don't know each other: where order matters, the YAML states it.
"""

from pathlib import Path

import lightning.pytorch as pl

from acereason.types import Group


class RolloutCallback(pl.Callback):
    """A callback that sees each step's rollouts between their verdicts and their advantages."""

    def on_rollouts(self, trainer: pl.Trainer, module: pl.LightningModule, groups: list[Group]) -> None:
        """Runs when every rollout of the step has its verdict. May change `reward`, `in_loss` and `in_baseline` in
        place.

        Args:
            groups: this rank's groups.
        """


def run_folder(trainer: pl.Trainer) -> Path:
    """Where a run keeps its files. Every rank must call it, not only the one that writes: Lightning broadcasts it."""
    return Path(trainer.log_dir)
