"""Lightning's Trainer with the verbs that need one and that Lightning lacks."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from rich.console import Console

from acereason import calibration
from acereason.calibration import Calibration
from acereason.errors import UserError

_TEMPERATURES = [0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 1.0, 1.1, 1.2]


class Trainer(pl.Trainer):
    """Lightning's Trainer, its methods being the verbs of run.py."""

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
        stage = stage or next(iter(datamodule.stages), None)
        if stage not in datamodule.stages:
            raise UserError(f"stage: no {stage!r} under data.stages; there are {sorted(datamodule.stages)}")
        if min(temperatures, default=0) <= 0 or problems < 1 or rollouts < 1:
            raise UserError("temperatures, problems, rollouts: must be above 0, and at least one of each")
        datamodule.calibration = Calibration(sorted(temperatures), stage, problems, rollouts)
        trials = self.predict(model, datamodule=datamodule, ckpt_path=ckpt_path) or []
        folder = Path(output) if output else Path(self.log_dir or self.default_root_dir) / "calibration"
        if self.is_global_zero:
            title = f"stage {stage}: {problems} problems x {rollouts} responses"
            calibration.write(trials, target, title, folder)
            Console().print(calibration.table(trials, title))
            print(f"{calibration.verdict(trials, target)}; the curve is {folder / 'calibration.png'}")
