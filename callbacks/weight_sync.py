"""Strictly on-policy: every rollout is drawn from the weights of the last update."""

import time

import lightning.pytorch as pl
from lightning.pytorch.utilities.types import STEP_OUTPUT
from typing_extensions import override

from acereason.errors import UserError


class WeightSync(pl.Callback):
    """Pushes the policy to the rollout engine before the first rollout and after every update.

    "We ... strictly adhere to on-policy training by generating G = 8 or 16 rollouts ..., followed by a single policy
    gradient update" (3.2.1). List it before callbacks that generate.

    Args:
        every_n_steps: updates between two pushes; more than 1 rolls out with a stale policy, which the module's
            `strict_on_policy` refuses.
    """

    def __init__(self, every_n_steps: int = 1) -> None:
        self.every_n_steps = every_n_steps

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if self.every_n_steps > 1 and pl_module.strict_on_policy:
            raise UserError(
                f"WeightSync.every_n_steps: must be 1 under model.strict_on_policy: with {self.every_n_steps}, "
                "rollouts come from a policy that is up to that many updates old"
            )

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        pl_module.push_weights()

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: object, batch_idx: int
    ) -> None:
        if trainer.global_step % self.every_n_steps:
            return
        start = time.perf_counter()
        pl_module.push_weights()
        pl_module.record({"sync/seconds": time.perf_counter() - start})
