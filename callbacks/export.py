"""The trained policy as a Hugging Face folder."""

import os

import lightning.pytorch as pl
from lightning.pytorch.utilities import rank_zero_info
from typing_extensions import override

from acereason.hooks import run_folder


class Export(pl.Callback):
    """Writes the policy to `exports/NAME` in the run's folder at each stage's end (SFT: each epoch's), before the
    checkpoint of that step; `export` is a link to the newest, and what the next step's `pretrained` names."""

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not getattr(trainer.datamodule, "stage_ended", True):
            return
        plan = getattr(trainer.datamodule, "plan", None)
        name = plan.stage if plan else f"epoch-{trainer.current_epoch}"
        folder = run_folder(trainer)
        pl_module.export(folder / "exports" / name)
        if trainer.is_global_zero:
            link = folder / ".export"
            link.unlink(missing_ok=True)
            link.symlink_to(f"exports/{name}")
            os.replace(link, folder / "export")
        rank_zero_info(f"exported to {folder}/exports/{name}")
