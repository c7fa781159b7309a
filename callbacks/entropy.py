"""This callback watches the paper's rule of thumb: the temperature-adjusted entropy stays near 0.3."""

from typing import ClassVar

from acereason.runs.health.entropy import EntropyBand
from acereason.runs.watching import Watching


class EntropyMonitor(Watching):
    """Warns in plain words when the mean temperature-adjusted entropy of the loss tokens leaves its band, or falls by
    more than the band within a stage, once per rule and stage, and writes the warnings to `health.jsonl` in the
    run's folder.

    "Setting the training temperature such that the temperature-adjusted entropy remains around 0.3 typically leads to
    effective RL training" (4.5.2).

    Args:
        target: wanted entropy in nats.
        band: largest distance from the target, and largest fall below it within a stage, that is fine, in nats.
        window: number of steps over which the mean is taken.
        every_n_steps: steps between two looks.
    """

    # why: after what settles rewards and settings, which it records
    place: ClassVar[int] = 70

    def __init__(self, target: float = 0.3, band: float = 0.1, window: int = 20, every_n_steps: int = 10) -> None:
        super().__init__(EntropyBand(target, band, window).watch(), every_n_steps)
