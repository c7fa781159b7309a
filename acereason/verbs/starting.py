"""Start of Lightning's verbs: their folder, their checkpoint, and the moment when they first write."""

from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.loggers.logger import DummyLogger
from lightning.pytorch.utilities import rank_zero_info
from typing_extensions import override

from acereason.common.errors import UserError
from acereason.common.files import atomic_path
from acereason.modules.hooks import callbacks_of
from acereason.processes.distributed import gather
from acereason.runs.files import RunFiles
from acereason.runs.folder import RunFolder, TemporaryFolder, refuse_shared
from acereason.runs.loggers import begin_loggers, identify, identities
from acereason.runs.places import Place, place_of, settle
from acereason.runs.resuming import checkpoint_of, home_of, looked_at
from acereason.runs.saved import look_config, saved_config
from acereason.verbs.trainer import Trainer


def start_fit(trainer: Trainer, ckpt_path: str | None) -> str | None:
    """Choose the folder of a fit and the checkpoint that it resumes from; write nothing yet.

    Args:
        trainer: one that does not run yet.
        ckpt_path: a path; `last`, the newest of a run that exists; `auto`, the same if there is one; None: start anew.

    Returns:
        the checkpoint that it resumes from, or None.
    """
    if trainer.fast_dev_run:
        _start_dev_run(trainer, ckpt_path)
        return None
    place = place_of(trainer.loggers, trainer.default_root_dir)
    refuse_shared(place.folder, place.key)
    checkpoint = checkpoint_of(place, ckpt_path)
    home = home_of(place, checkpoint)
    _hold(trainer, place, RunFolder(home or place.folder, place.key, "fit", goes_on=home is not None))
    if checkpoint:
        rank_zero_info(f"resuming from {checkpoint}")
    return str(checkpoint) if checkpoint else None


def start_look(trainer: Trainer, verb: str, ckpt_path: str | None) -> str | None:
    """Choose the folder of a `validate` or `test` that looks at a run: beside the run's.

    Returns:
        the checkpoint that it looks at, or None.
    """
    if trainer.fast_dev_run:
        _start_dev_run(trainer, ckpt_path)
        return None
    place = place_of(trainer.loggers, trainer.default_root_dir)
    refuse_shared(place.folder, place.key)
    checkpoint = looked_at(place, verb, ckpt_path)
    run = home_of(place, checkpoint) or place.folder
    _hold(trainer, place, RunFolder(run.with_name(f"{run.name}-{verb}"), place.key, verb, goes_on=False))
    # why: their place is the run's own folder, which a look leaves as it is
    trainer.waiting_loggers = []
    return str(checkpoint) if checkpoint else None


def start_evaluation(trainer: Trainer, ckpt_path: str | None) -> str | None:
    """Choose the folder of an evaluation, which continues with the samples that it holds."""
    if trainer.fast_dev_run:
        _start_dev_run(trainer, ckpt_path)
        return None
    place = place_of(trainer.loggers, trainer.default_root_dir)
    checkpoint = looked_at(place, "test", ckpt_path)
    _hold(trainer, place, RunFolder(place.folder, place.key, "test", goes_on=True))
    return str(checkpoint) if checkpoint else None


def _start_dev_run(trainer: Trainer, ckpt_path: str | None) -> None:
    if ckpt_path not in (None, "auto"):
        raise UserError("ckpt_path: trainer.fast_dev_run begins at the beginning; leave one of them out")
    trainer.run = temporary = TemporaryFolder(trainer.is_global_zero)
    rank_zero_info(f"trainer.fast_dev_run: in {temporary.folder}, which is removed at the end")
    _name_checkpoints(trainer, temporary.folder)


def _hold(trainer: Trainer, place: Place, run: RunFolder) -> None:
    """Check and claim the run's folder, and hold the loggers back until it begins."""
    run.check()
    if trainer.is_global_zero:
        run.claim()
    trainer.run = run
    settle(trainer.loggers, place, run.folder)
    # why: Lightning opens the loggers' files at once, before data and model have proved good
    trainer.waiting_loggers, trainer.loggers = trainer.loggers, [DummyLogger()] if trainer.loggers else []
    _name_checkpoints(trainer, run.folder)
    # why: the folder must have begun before any other callback writes into it
    trainer.put_first(Begin)


def _name_checkpoints(trainer: Trainer, folder: Path | None) -> None:
    """Put Lightning's own checkpoints into the run's folder, unless the config names another."""
    # why: Lightning adds its callback if a config has none, with other rules for its folder
    for callback in callbacks_of(trainer, ModelCheckpoint):
        if callback.dirpath is None and folder:
            callback.dirpath = str(RunFiles(folder).checkpoints)


def _agree(trainer: Trainer) -> None:
    """Raise a UserError if ranks have found different folders or checkpoints."""
    # why: on several machines without a shared disk each would look at its own
    run = _held(trainer)
    found = (str(run.folder), str(trainer.ckpt_path))
    for folder, checkpoint in gather([found]):
        if (folder, checkpoint) != found:
            raise UserError(f"{run.key}: ranks find other runs, {folder} from {checkpoint}: machines must share it")


def _held(trainer: Trainer) -> RunFolder:
    # why: the only other kind is that of fast_dev_run, for which Lightning has no such callback
    assert isinstance(trainer.run, RunFolder)
    return trainer.run


class Begin(SaveConfigCallback):
    """Begins the run's folder when data, model and checkpoint have proved good, before any other writer, and writes the
    whole configuration into its config.yaml."""

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        # why: Lightning's own method writes config.yaml here, before the model is built
        pass

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._begin(trainer)
        # why: a resumed run takes the steps after its checkpoint again, and would write their rows twice
        RunFiles.of(trainer).keep_before(trainer.global_step)

    @override
    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == "validate":
            self._begin(trainer)

    @override
    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._begin(trainer)

    def _begin(self, trainer: Trainer) -> None:
        _agree(trainer)
        failure = self._begin_folder(trainer) if trainer.is_global_zero else None
        # why: broadcast, so that all ranks raise where the first one failed, and none waits for it
        if failure := trainer.strategy.broadcast(failure):
            raise UserError(failure)
        begin_loggers(trainer, trainer.waiting_loggers, trainer.global_step)
        if trainer.is_global_zero:
            _held(trainer).note(loggers=identities(trainer.loggers))

    def _begin_folder(self, trainer: Trainer) -> str | None:
        """Begin the folder and save the configuration; return the message of a UserError, or None."""
        run = _held(trainer)
        try:
            # why: a copied run would log into the runs of the original at the loggers' services
            known = run.mark.get("loggers", {}) if run.goes_on and not run.is_copy else {}
            run.begin()
        except UserError as error:
            return str(error)
        identify(trainer.waiting_loggers, known)
        with atomic_path(run.path / self.config_filename) as temporary:
            fits = run.verb == "fit"
            config = saved_config(self.config, run.folder) if fits else look_config(self.config, trainer.ckpt_path)
            self.parser.save(config, temporary, skip_none=False, overwrite=True, multifile=self.multifile)
        return None
