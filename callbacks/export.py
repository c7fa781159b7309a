"""This callback exports the trained policy as a Hugging Face folder."""

import os
from typing import ClassVar

import lightning.pytorch as pl
from lightning.pytorch.utilities import rank_zero_info
from typing_extensions import override

from acereason.modules.base import QwenModule
from acereason.runs.files import RunFiles


class Export(pl.Callback):
    """Writes the policy to `exports/NAME` in the run's folder at each stage's end (in SFT at each epoch's end), before
    the checkpoint of that step. The link `export` leads to the newest; the next step of a recipe names it as its
    `pretrained`."""

    # why: after what may end a stage
    place: ClassVar[int] = 120

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: QwenModule) -> None:
        stages = pl_module.curriculum
        if stages and not stages.ended(trainer.global_step):
            return
        name = stages.plan.stage if stages else f"epoch-{trainer.current_epoch}"
        files = RunFiles.of(trainer)
        pl_module.export(files.exports / name)
        if trainer.is_global_zero:
            # why: a link can't be overwritten, only renamed over: `export` leads somewhere at any moment
            link = files.folder / f".{files.export.name}"
            # why: a killed run may have left its unfinished link, and one that exists can't be made
            link.unlink(missing_ok=True)
            # why: relative, so that it still leads to the export when the run's folder is moved or copied
            link.symlink_to(f"{files.exports.name}/{name}")
            os.replace(link, files.export)
        rank_zero_info(f"exported to {files.exports / name}")
