"""Lightning's Trainer with the verbs that need one and that Lightning lacks."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from rich.console import Console

from acereason import calibration
from acereason.calibration import Calibration
from acereason.errors import UserError
from acereason.hooks import planned_folder
from acereason.preflight import report
from acereason.preflight.resources import Planned
from acereason.preflight.run import preflight

_TEMPERATURES = [0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 1.0, 1.1, 1.2]


class Trainer(pl.Trainer):
    """Lightning's Trainer, its methods being the verbs of run.py."""

    planned: Planned
    """What the config asks for, where `preflight` runs on less."""

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
        temperatures meet the same problems and the same random numbers.

        Args:
            temperatures: what to try.
            stage: stage whose problems and response budget are taken; null: the first.
            problems: how many of them.
            rollouts: responses of each.
            target: entropy in nats.
            output: folder of `calibration.json` and `calibration.png`; null: `calibration` beside the run's folder.
            ckpt_path: checkpoint whose policy is calibrated; null: `model.pretrained`.
        """
        stage = stage or next(iter(datamodule.stages), "")
        if stage not in datamodule.stages:
            raise UserError(f"stage: no {stage!r} under data.stages; there are {sorted(datamodule.stages)}")
        if min(temperatures, default=0) <= 0 or problems < 1 or rollouts < 1:
            raise UserError("temperatures, problems, rollouts: must be above 0, and at least one of each")
        datamodule.calibration = Calibration(sorted(temperatures), stage, problems, rollouts)
        folder = Path(output) if output else planned_folder(self).parent / "calibration"
        self.logger = None  # it logs nothing, and a logger would begin the run's folder or write into it
        trials = self.predict(model, datamodule=datamodule, ckpt_path=ckpt_path) or []
        if self.is_global_zero:
            title = f"stage {stage}: {problems} problems x {rollouts} responses"
            calibration.write(trials, target, title, folder)
            Console().print(calibration.table(trials, title))
            print(f"{calibration.verdict(trials, target)}; the curve is {folder / 'calibration.png'}")

    def preflight(
        self,
        model: Any,
        datamodule: Any,
        device: str | None = None,
        tokens_per_second: float | None = None,
        output: str | None = None,
    ) -> None:
        """Check a config of RL on this machine, without a GPU, for everything that would fail later; exit status 1 if
        anything would.

        Args:
            device: what each rank will run on, to compare memory with: a100-40gb, a100-80gb, h100-80gb, h200-141gb,
                b200-192gb; null: only estimate.
            tokens_per_second: response tokens a second of whole steps, over all ranks, as measured on a few of them
                (throughput/tokens_per_second); null: no hours.
            output: file for the findings as JSON; null: none.
        """
        self.strategy.connect(model)
        model.trainer = datamodule.trainer = self
        self._data_connector.attach_data(model, datamodule=datamodule)
        try:
            checks = preflight(self, self.planned, device, tokens_per_second)
        finally:
            model.rewards.close()
        Console().print(report.table(checks))
        print(report.verdict(checks))
        if output:
            report.write(checks, Path(output))
        if checks.failed:
            raise SystemExit(1)
