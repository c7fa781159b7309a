"""The learning rate over the updates of a run."""

import math
from dataclasses import dataclass, replace

import torch

from acereason.common.errors import UserError


@dataclass
class Schedule:
    """Learning-rate factor as a pure function of the step: linear warm-up, then constant or cosine."""

    warmup_steps: int = 0
    """Number of updates over which the factor rises linearly to 1."""
    decay_steps: int | None = None
    """Updates, warm-up included, after which the cosine is at `final`; null: where the run ends, so that its last
    update has `final`."""
    final: float | None = None
    """Factor at the end of the decay; null: 0 where `decay_steps` is given, else nothing decays and the factor stays 1.
    """

    @property
    def open_end(self) -> bool:
        """Whether the decay ends where the run does."""
        return self.final is not None and self.decay_steps is None

    def over(self, updates: float) -> "Schedule":
        """Return the schedule with its open end put in, for a run of `updates` updates.

        Raises:
            UserError: the run has no end that could be put in.
        """
        if not self.open_end:
            return self
        if math.isinf(updates):
            raise UserError(
                "model.schedule.decay_steps: give it, or trainer.max_epochs: this run has no end of its own"
            )
        return replace(self, decay_steps=int(updates) - 1)

    def factor(self, step: int) -> float:
        """Return the factor for the update after `step` updates."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        if self.decay_steps is None:
            return 1.0
        progress = min(1.0, (step - self.warmup_steps) / max(1, self.decay_steps - self.warmup_steps))
        cosine, final = torch.tensor(progress * torch.pi).cos().item(), self.final or 0.0
        return final + (1 - final) * (1 + cosine) / 2
