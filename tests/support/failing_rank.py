"""A callback that fails on one rank."""

import time

import lightning.pytorch as pl


class FailOnRank(pl.Callback):
    """Raises at the beginning of a step.

    Args:
        rank: which one fails.
        step: when.
        sleep: seconds that the other ranks are busy for, as in generation; else they wait in the next collective.
    """

    def __init__(self, rank: int, step: int = 2, sleep: float = 0.0) -> None:
        self.rank, self.step, self.sleep = rank, step, sleep

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch, batch_idx) -> None:
        if trainer.global_step != self.step:
            return
        if trainer.global_rank == self.rank:
            raise RuntimeError(f"rank {self.rank} can't go on")
        time.sleep(self.sleep)
