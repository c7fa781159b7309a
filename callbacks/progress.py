"""A progress bar that shows the stage beside reward, entropy and response length."""

import lightning.pytorch as pl
from lightning.pytorch.callbacks import RichProgressBar
from typing_extensions import override


class Progress(RichProgressBar):
    """Lightning's rich progress bar, with the curriculum's stage in front."""

    @override
    def _get_train_description(self, current_epoch: int) -> str:
        # Lightning's own shows the last epoch of all, which a curriculum does not know: "Epoch 3/-2"
        return f"epoch {current_epoch}"

    @override
    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        plan = getattr(trainer.datamodule, "plan", None)
        return {"stage": plan.stage, **metrics} if plan else metrics
