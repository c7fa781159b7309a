"""The paper's rule of thumb, watched: temperature-adjusted entropy near 0.3."""

import lightning.pytorch as pl
from lightning.pytorch.utilities import rank_zero_warn
from lightning.pytorch.utilities.types import STEP_OUTPUT
from typing_extensions import override


class EntropyMonitor(pl.Callback):
    """Warns in plain words when the temperature-adjusted entropy stays out of its band.

    "Setting the training temperature such that the temperature-adjusted entropy remains around 0.3 typically leads to
    effective RL training" (4.5.2).

    Args:
        target: entropy in nats.
        band: largest distance from the target that is fine.
        patience: steps in a row out of the band before a warning; it is repeated every `patience` steps.
    """

    def __init__(self, target: float = 0.3, band: float = 0.15, patience: int = 20) -> None:
        self.target, self.band, self.patience = target, band, patience
        self.steps_outside = 0

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: object, batch_idx: int
    ) -> None:
        entropy = outputs["policy/entropy"]
        self.steps_outside = 0 if abs(entropy - self.target) <= self.band else self.steps_outside + 1
        if self.steps_outside and self.steps_outside % self.patience == 0:
            rank_zero_warn(self.advice(entropy, pl_module.sampling.temperature))

    def advice(self, entropy: float, temperature: float) -> str:
        """What the entropy says and what to try."""
        low = entropy < self.target
        side, other = ("below", "higher") if low else ("above", "lower")
        effect = "exploits and hardly explores" if low else "explores at the cost of reward"
        return (
            f"entropy {entropy:.3f} has been {side} {self.target:g} -/+ {self.band:g} for {self.steps_outside} steps "
            f"at temperature {temperature:g}: the policy {effect}; try a {other} temperature"
        )

    @override
    def state_dict(self) -> dict[str, int]:
        return {"steps_outside": self.steps_outside}

    @override
    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self.steps_outside = state_dict["steps_outside"]
