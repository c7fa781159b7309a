"""This callback moves the temperature so that the temperature-adjusted entropy holds."""

from math import exp, log
from typing import Any, ClassVar

import lightning.pytorch as pl
from typing_extensions import override

from acereason.common.types import Problem
from acereason.modules.grpo import GRPOModule
from acereason.modules.hooks import RolloutCallback


class TemperatureController(RolloutCallback):
    """Moves the sampling temperature from step to step so that the temperature-adjusted entropy of
    the loss tokens, policy/entropy, stays near a target.

    "Setting the training temperature such that the temperature-adjusted entropy remains around 0.3 typically leads to
    effective RL training" (4.5.2). The paper fixes the temperature by hand; so does a config without this callback.
    Each step moves log T by `gain` times the relative error, at most by `max_change`. A stage that names a temperature
    starts there; any other goes on with the last one. policy/temperature logs it.

    Args:
        target: wanted entropy in nats.
        deadband: distance from the target, in nats, within which the temperature stays.
        gain: change of log T for an entropy that misses the target by the target itself.
        max_change: largest change of log T in a step.
        bounds: lowest and highest temperature.
    """

    # why: after Curriculum, which may have put a stage's own temperature in force
    place: ClassVar[int] = 20

    def __init__(
        self,
        target: float = 0.3,
        deadband: float = 0.01,
        gain: float = 0.1,
        max_change: float = 0.05,
        bounds: tuple[float, float] = (0.6, 1.4),
    ) -> None:
        if not 0 < bounds[0] < bounds[1]:
            raise ValueError(f"bounds must be two rising temperatures above 0, not {bounds}")
        if target <= 0:
            raise ValueError(f"target must be above 0, not {target}")
        self.target, self.deadband, self.gain, self.max_change, self.bounds = target, deadband, gain, max_change, bounds
        self._stage: str | None = None
        self._temperature: float | None = None

    @override
    def on_stage_start(self, trainer: pl.Trainer, module: GRPOModule, problems: list[Problem]) -> None:
        stage, temperature = module.curriculum.plan.stage, module.curriculum.current.temperature
        if self._temperature is None or (stage != self._stage and temperature is not None):
            self._temperature = module.sampling.temperature
        self._stage = stage
        # why: bounded here too, since a checkpoint's temperature may lie outside the bounds of the resumed config
        self._temperature = self.bounded(self._temperature)
        module.set_temperature(self._temperature)

    @override
    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: GRPOModule) -> None:
        # why: in every epoch, since Curriculum may have put the stage's own temperature in force just before
        if self._temperature is not None:
            pl_module.set_temperature(self._temperature)

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: GRPOModule, outputs: dict[str, float], batch: object, batch_idx: int
    ) -> None:
        self._temperature = self.next(pl_module.sampling.temperature, outputs["policy/entropy"])
        pl_module.set_temperature(self._temperature)

    def next(self, temperature: float, entropy: float) -> float:
        """Return the temperature of the next step.

        Args:
            temperature: of the step just taken.
            entropy: of that step, in nats.
        """
        error = self.target - entropy
        if abs(error) <= self.deadband:
            return temperature
        change = max(-self.max_change, min(self.max_change, self.gain * error / self.target))
        # why: steps of log T, so that going up and down by the same error ends where it began
        return self.bounded(exp(log(temperature) + change))

    def bounded(self, temperature: float) -> float:
        """Return the temperature, or the bound that it exceeds."""
        low, high = self.bounds
        return max(low, min(high, temperature))

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"stage": self._stage, "temperature": self._temperature}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._stage, self._temperature = state_dict["stage"], state_dict["temperature"]
