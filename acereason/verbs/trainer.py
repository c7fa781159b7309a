"""Lightning's Trainer with further verbs that need one: `calibrate` and `preflight`."""

import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.loggers import Logger
from lightning.pytorch.strategies import ModelParallelStrategy
from rich.console import Console
from typing_extensions import override

from acereason.algorithm.calibration import verdict
from acereason.common.errors import UserError
from acereason.modules.base import QwenModule
from acereason.modules.calibrating import Calibration, Sweep
from acereason.modules.rollout import RolloutModule
from acereason.processes import signals
from acereason.processes.distributed import signal_store
from acereason.runs.folder import RunFolder, TemporaryFolder, refuse_shared
from acereason.runs.places import place_of
from acereason.verbs.calibration import table, write
from acereason.verbs.connectors import Deaf, Fitting, Rendezvous, Shards
from acereason.verbs.preflight.planned import Planned
from acereason.verbs.preflight.run import preflight

_TEMPERATURES = [0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 1.0, 1.1, 1.2]


class Trainer(pl.Trainer):
    """Lightning's Trainer, whose methods are verbs of run.py."""

    callbacks: list[pl.Callback]
    """Those of the config, in its order."""
    planned: Planned
    """Resources that the config asks for, where `preflight` runs on fewer."""
    run: RunFolder | TemporaryFolder | None = None
    """The folder that it writes into, decided once; None before, and for verbs that have none."""
    waiting_loggers: list[Logger]
    """The config's loggers until the folder begins."""

    def __init__(self, *args: Any, inference_mode: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, inference_mode=inference_mode, **kwargs)
        if isinstance(self.strategy, ModelParallelStrategy):
            # why: under inference_mode, DTensors can't be detached, so that no weights reach an engine, and what FSDP2
            # gathers can't be used by a backward. Lightning exempts gloo and FSDP1 alone
            for loop in (self.fit_loop.epoch_loop.val_loop, self.validate_loop, self.test_loop, self.predict_loop):
                loop.inference_mode = False

    @property
    @override
    def log_dir(self) -> str | None:
        """The run's folder, whatever the loggers. Every rank must ask for it: rank 0 broadcasts it."""
        if self.run is None:
            return super().log_dir
        return self.strategy.broadcast(str(self.run.folder))

    def connect(self, module: QwenModule, data: Any) -> None:
        """Make module and data known to each other, and replace parts of Lightning's Trainer: its handling of signals,
        the checks of checkpoints, the port at which ranks meet, and the saving of shards."""
        # why: `Any`: which data a module goes with is the config's, and `preflight` refuses a wrong pair
        module.data, data.policy = data, module
        self._signal_connector, self._checkpoint_connector = Deaf(self), Fitting(self, module)
        Rendezvous.replace(self.strategy)
        Shards.replace(self.strategy)
        signals.share(signal_store, self._end_ranks)

    def put_first(self, kind: type[pl.Callback]) -> None:
        """Let the callbacks of a class run before all others."""
        self.callbacks = sorted(self.callbacks, key=lambda callback: not isinstance(callback, kind))

    @override
    def _run(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super()._run(*args, **kwargs)
        except Exception as error:
            # why: here: Lightning's cleanup, which follows, may wait for ranks that wait for this one
            signals.failed(error)
            raise

    def _end_ranks(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for process in getattr(self.strategy.launcher, "procs", []):
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()

    def calibrate(
        self,
        model: Any,
        datamodule: Any,
        temperatures: list[float] = _TEMPERATURES,
        stage: str | None = None,
        problems: int = 64,
        rollouts: int = 4,
        target: float = 0.3,
        output: str | None = None,
        ckpt_path: str | None = None,
    ) -> None:
        """Roll out a sample of a stage's problems at several temperatures and tell which one gives the target entropy.

        "Setting the training temperature such that the temperature-adjusted entropy remains around 0.3" (4.5.2). All
        temperatures meet the same problems and the same random numbers. The entropy is that of the tokens that the
        stage would have in the loss, which training logs as policy/entropy and TemperatureController holds; where
        truncated responses are masked, that of all responses stands beside it.

        Args:
            temperatures: temperatures to try.
            stage: stage whose problems and response budget are taken; null: the first.
            problems: number of problems.
            rollouts: responses to each problem.
            target: entropy in nats.
            output: folder of `calibration.json` and `calibration.png`; null: `calibration` beside the run's folder.
            ckpt_path: checkpoint whose policy is calibrated; null: `model.pretrained`.
        """
        stage = stage or next(iter(datamodule.stages), "")
        if stage not in datamodule.stages:
            raise UserError(f"stage: no {stage!r} under data.stages; there are {sorted(datamodule.stages)}")
        if min(temperatures, default=0) <= 0 or problems < 1 or rollouts < 1:
            raise UserError("temperatures, problems, rollouts: must be above 0, and at least one of each")
        # why: null leaves it to the callback Overlong, which masks by default
        masks = datamodule.stages[stage].overlong in (None, "mask")
        folder = Path(output) if output else self._beside("calibration")
        sweep = Sweep(sorted(temperatures), stage, problems, rollouts, masks, folder)
        # why: it logs nothing, and a logger would begin the run's folder or write into it
        self.logger = None
        trials = self.predict(model, datamodule=Calibration(sweep, model, datamodule), ckpt_path=ckpt_path) or []
        if self.is_global_zero:
            title = f"stage {stage}: {problems} problems x {rollouts} responses"
            write(trials, target, title, folder)
            Console().print(table(trials, title))
            print(f"{verdict(trials, target)}; the curve is {folder / 'calibration.png'}")

    def _beside(self, name: str) -> Path:
        """Return a folder beside the run's."""
        place = place_of(self.loggers, self.default_root_dir)
        refuse_shared(place.folder, place.key)
        return place.folder.parent / name

    def preflight(
        self,
        model: Any,
        datamodule: Any,
        device: str | None = None,
        tokens_per_second: float | None = None,
        output: str | None = None,
        ckpt_path: str | None = None,
        weights_only: bool | None = None,
        verbose: bool = True,
    ) -> None:
        """Check a config of `fit` (RL or SFT), of `test`, of `curate` or of `predict` on this machine, without a GPU,
        for everything that would fail later; exit status 1 if anything would. A config of `curate` or `predict` takes
        the flags of its verb instead of those below.

        Args:
            device: what each rank will run on, to compare memory with and to estimate hours for: a100-40gb, a100-80gb,
                h100-80gb, h200-141gb, b200-192gb; null: neither.
            tokens_per_second: response tokens a second of whole steps, over all ranks, as measured on a few of them
                (throughput/tokens_per_second), for hours that are no estimate; null: none.
            output: file for the findings as JSON; null: none.
            ckpt_path: as for the verb: whether it is there, whole, and fits.
            weights_only: of a run's config.yaml; no weights are read here.
            verbose: of an evaluation's config.yaml, likewise.
        """
        self.strategy.connect(model)
        model.trainer = datamodule.trainer = self
        self._data_connector.attach_data(model, datamodule=datamodule)
        try:
            planned = replace(self.planned, ckpt_path=ckpt_path, device=device, tokens_per_second=tokens_per_second)
            checks = preflight(self, model, planned)
        finally:
            if isinstance(model, RolloutModule):
                model.rewards.close()
        checks.report(output)
