"""This callback saves checkpoints, from which a run resumes with the same numbers."""

import os
import pickle
import re
import shutil
from pathlib import Path
from typing import Any, ClassVar

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.trainer.call import _call_callbacks_state_dict
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from typing_extensions import override

from acereason.data.policy import Data
from acereason.modules.base import QwenModule
from acereason.processes.signals import Interrupted, leave_in_time
from acereason.runs.checkpoints import newest_checkpoint, step_of
from acereason.runs.files import RunFiles


class Checkpoints(Checkpoint):
    """Saves `checkpoints/step-NNNNNN.ckpt` every `every_n_steps` steps and at each epoch's end, and
    `checkpoints/step-NNNNNN-end-of-STAGE.ckpt`, which is never deleted, at each stage's end.

    A checkpoint appears whole or not at all: it is written under a hidden name and then renamed. Lightning calls this
    callback after all others, so that a checkpoint is a boundary between steps. The last step of an epoch is saved when
    the epoch ends.

    A signal ends the run between two steps, or in the middle of a rollout, which is dropped. The step before is then
    saved, if it has no checkpoint yet: its weights are still in the model, and the rest of its state is remembered
    until the next step ends.

    Args:
        every_n_steps: steps between two checkpoints.
        keep: number of the newest checkpoints that stay; those of stage ends are not counted.
    """

    # why: after all others, so that a checkpoint is a boundary between steps
    place: ClassVar[int] = 140

    def __init__(self, every_n_steps: int, keep: int = 2) -> None:
        for name, value in {"every_n_steps": every_n_steps, "keep": keep}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        self.every_n_steps, self.keep = every_n_steps, keep
        self._resumed_at: int | None = None
        self._cut_at: int | None = None
        """Step after which `max_steps` or `max_time` ends the run within an epoch; None where none does."""
        self._unsaved: bytes | None = None
        """Pickled state, without weights and optimizer, of the last step where that has no checkpoint."""
        self._instead: dict[str, Any] = {}
        """Entries that replace the trainer's own in the next checkpoint."""

    @override
    def on_load_checkpoint(self, trainer: pl.Trainer, pl_module: QwenModule, checkpoint: dict) -> None:
        self._resumed_at = checkpoint["global_step"]

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: QwenModule) -> None:
        folder = RunFiles.of(trainer).checkpoints
        if trainer.is_global_zero and folder.exists():
            for path in folder.iterdir():
                _clear(path, trainer.global_step)

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: QwenModule, outputs: dict[str, float], batch: Any, batch_idx: int
    ) -> None:
        # why: Lightning 2.6.6, resumed from a checkpoint of an epoch's last batch, drops the first batches of the next
        # epoch where that is longer; `on_train_epoch_end` saves this step instead
        if trainer.is_last_batch:
            return
        ends = trainer.should_stop or trainer.global_step == trainer.max_steps
        if trainer.global_step % self.every_n_steps == 0 or ends:
            self._save(trainer, f"step-{trainer.global_step:06}.ckpt")
            self._cut_at = trainer.global_step if ends else None
        else:
            # why: pickled now, since callbacks give their live lists and the next rollout moves the data's position on
            self._unsaved = pickle.dumps(_state(trainer, pl_module.data))
        pl_module.end_if_interrupted()

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: QwenModule) -> None:
        stages = pl_module.curriculum
        stage_ended = stages is not None and stages.ended(trainer.global_step)
        # why: Lightning ends a limited run as if its epoch were whole; resumed from a checkpoint of here with the limit
        # raised, the run would skip the rest of the epoch
        if self._cut_at == trainer.global_step and not stage_ended:
            return
        end = f"-end-of-{stages.plan.stage}" if stages and stage_ended else ""
        self._save(trainer, f"step-{trainer.global_step:06}{end}.ckpt")
        pl_module.end_if_interrupted()

    @override
    def on_fit_end(self, trainer: pl.Trainer, pl_module: QwenModule) -> None:
        if self._resumed_at == trainer.global_step:
            rank_zero_warn(f"nothing was trained: the run had finished at step {trainer.global_step}")

    @override
    def on_exception(self, trainer: pl.Trainer, pl_module: QwenModule, exception: BaseException) -> None:
        # why: every rank takes part in saving; where not all have agreed to end, one would wait for the others for ever
        if not isinstance(exception, Interrupted) or not exception.agreed or not trainer.training:
            return
        self._instead = pickle.loads(self._unsaved) if self._unsaved else {}
        # why: once the next update is done the weights are another step's than the remembered state
        if self._instead.get("global_step") == trainer.global_step:
            self._save(trainer, f"step-{trainer.global_step:06}.ckpt")
        newest = newest_checkpoint(RunFiles.of(trainer).folder)
        exception.kept = f"step {step_of(newest)} is saved in {newest}" if newest else "before its first checkpoint"
        exception.goes_on = {"--ckpt_path": "last"} if newest else {}
        leave_in_time()

    @override
    def on_save_checkpoint(self, trainer: pl.Trainer, pl_module: QwenModule, checkpoint: dict) -> None:
        checkpoint |= self._instead

    def _save(self, trainer: pl.Trainer, name: str) -> None:
        folder, self._unsaved = RunFiles.of(trainer).checkpoints, None
        # why: a resumed run doesn't take these steps again, so their metrics must be on disk before the checkpoint
        for logger in trainer.loggers:
            logger.save()
        trainer.save_checkpoint(folder / f".{name}")
        if trainer.is_global_zero:
            _sync(folder / f".{name}")
            _replace(folder / f".{name}", folder / name)
            self._prune(folder)
        # why: a rank that ran ahead could look for the newest checkpoint before rank 0 has renamed this one
        trainer.strategy.barrier("checkpoint")

    def _prune(self, folder: Path) -> None:
        passing = sorted(path for path in folder.glob("step-*.ckpt") if "-end-of-" not in path.name)
        for path in passing[: -self.keep]:
            _remove(path)


def _state(trainer: pl.Trainer, data: Data) -> dict[str, Any]:
    """Return the state in Lightning's checkpoints, without weights and optimizer."""
    return {
        "epoch": trainer.current_epoch,
        "global_step": trainer.global_step,
        "loops": trainer._checkpoint_connector._get_loops_state_dict(),
        "callbacks": _call_callbacks_state_dict(trainer),
        type(data).__qualname__: data.state_dict(),
    }


def _clear(path: Path, step: int) -> None:
    """Remove a checkpoint that a kill left half written; set aside one of a later step than training goes on from."""
    if path.name.startswith("."):
        _remove(path)
    # why: `--ckpt_path last` would take it for the newest, though the run was sent back to an earlier step
    elif re.match(r"step-\d+", path.name) and step_of(path) > step:
        rank_zero_info(f"{path} is set aside: training goes on from step {step}")
        (path.parent / "superseded").mkdir(exist_ok=True)
        _replace(path, path.parent / "superseded" / path.name)


def _sync(path: Path) -> None:
    # why: a rename may reach the disk before the contents; a machine that loses power would leave a checkpoint of holes
    for file in path.iterdir() if path.is_dir() else [path]:
        with file.open("rb") as written:
            os.fsync(written.fileno())


def _replace(path: Path, target: Path) -> None:
    # why: a sharded checkpoint is a folder, and a rename can't replace a folder that has files in it
    _remove(target)
    path.rename(target)


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
