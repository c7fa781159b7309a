"""This module checks where a run would write and start: its folder, other processes in it, and its checkpoint."""

from pathlib import Path

import lightning.pytorch as pl

from acereason.models.qwen import shapes_by
from acereason.modules.base import QwenModule
from acereason.modules.evaluation import EvaluationModule
from acereason.modules.hooks import callbacks_of
from acereason.runs.checkpoints import contents
from acereason.runs.folder import RunFolder
from acereason.runs.places import Place, place_of
from acereason.runs.resuming import checkpoint_of, home_of, looked_at
from acereason.verbs.fitting import fitting, refuse_other_run, refuse_other_weights, restore_callbacks
from acereason.verbs.preflight.checks import Checks


def check_start(checks: Checks, trainer: pl.Trainer, module: QwenModule, ckpt_path: str | None) -> RunFolder:
    """Check the run's folder and its checkpoint as `fit`, or `test` with EvaluationModule, would.

    Returns:
        the folder that the run would have.

    Raises:
        UserError: the folder is not one that a run may have, or is another process's.
    """
    evaluates = isinstance(module, EvaluationModule)
    place, checkpoint = place_of(trainer.loggers, trainer.default_root_dir), None
    with checks.catching("ckpt_path"):
        checkpoint = _checkpoint(trainer, module, place, ckpt_path)
        if checkpoint:
            checks.add("ckpt_path", "ok", f"{checkpoint} is whole, and of this model")
    home = None if evaluates else home_of(place, checkpoint)
    run = RunFolder(home or place.folder, place.key, "test" if evaluates else "fit", evaluates or home is not None)
    run.check()
    run.refuse_in_use()
    return run


def _checkpoint(trainer: pl.Trainer, module: QwenModule, place: Place, ckpt_path: str | None) -> Path | None:
    """Return the checkpoint from which the run would start, after a check that it fits; None where it starts anew.

    Callbacks and data take over their state, so that later checks see the run where it would go on.
    """
    data, evaluates = module.data, isinstance(module, EvaluationModule)
    checkpoint = looked_at(place, "test", ckpt_path) if evaluates else checkpoint_of(place, ckpt_path)
    if checkpoint is None:
        return None
    refuse_other_weights(checkpoint, {f"model.{name}": shape for name, shape in shapes_by(module.config).items()})
    if not evaluates:
        refuse_other_run(checkpoint, data, module.optimizer_settings())
        held = contents(checkpoint)
        restore_callbacks(callbacks_of(trainer, pl.Callback), held, checkpoint)
        if state := held.get(type(data).__qualname__):
            with fitting(checkpoint, type(data).__name__):
                data.load_state_dict(state)
    return checkpoint
