"""The run watched: rules that say in plain words what is wrong, and what to try."""

from acereason.health.rules import Limits
from acereason.watching import Watching


class Health(Watching):
    """Warns when the run looks ill by the rules of `acereason/health/rules.py`, once per rule and stage, and writes the
    warnings to `health.jsonl` in the run's folder.

    Args:
        every_n_steps: how often the rules are applied.
        limits: the numbers in them.
    """

    def __init__(self, every_n_steps: int = 10, limits: Limits = Limits()) -> None:  # noqa: B008  read only
        super().__init__(limits.watch(), every_n_steps)
