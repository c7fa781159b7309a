"""This callback watches the run by rules that say in plain words what is wrong, and what to try."""

from typing import ClassVar

from acereason.runs.health.rules import Limits
from acereason.runs.watching import Watching


class Health(Watching):
    """Warns when the run looks ill by the rules of `acereason/runs/health/rules.py`, once per rule and stage, and
    writes the warnings to `health.jsonl` in the run's folder.

    Args:
        every_n_steps: steps between two looks.
        limits: numbers in the rules.
    """

    # why: after what settles rewards and settings, which it records
    place: ClassVar[int] = 70

    def __init__(self, every_n_steps: int = 10, limits: Limits = Limits()) -> None:  # noqa: B008  read only
        super().__init__(limits.watch(), every_n_steps)
