"""Strictly on-policy: every rollout is drawn from the weights of the last update."""

import time

import lightning.pytorch as pl
from lightning.pytorch.utilities.types import STEP_OUTPUT
from typing_extensions import override


class WeightSync(pl.Callback):
    """Pushes the policy to the rollout engine before the first rollout and after every update.

    "We ... strictly adhere to on-policy training by generating G = 8 or 16 rollouts ..., followed by a single policy
    gradient update" (3.2.1). List it before callbacks that generate.
    """

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        pl_module.push_weights()

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: object, batch_idx: int
    ) -> None:
        start = time.perf_counter()
        pl_module.push_weights()
        pl_module.log("sync/seconds", time.perf_counter() - start)

    @override
    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        pl_module.push_weights()

    @override
    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        pl_module.push_weights()
