"""The trained policy as a Hugging Face folder."""

import lightning.pytorch as pl
from lightning.pytorch.utilities import rank_zero_info
from typing_extensions import override

from acereason.hooks import run_folder
from acereason.models.qwen import export


class Export(pl.Callback):
    """Writes the policy to `export/` in the run's folder when training ends: what the next step's `pretrained`
    names."""

    @override
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        folder = run_folder(trainer) / "export"
        export(pl_module.model, pl_module.tokenizer, folder, is_writer=trainer.is_global_zero)
        rank_zero_info(f"exported to {folder}")
