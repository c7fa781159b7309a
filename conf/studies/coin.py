"""The reward of a control in conf/studies/math_to_code.yaml, which says nothing about a response."""

from acereason.common.seeds import derive_seed
from acereason.common.types import Problem


def coin(problem: Problem, text: str) -> float:
    """Return 0 or 1 as a coin falls, the same for the same text."""
    return float(derive_seed("coin", problem.id, text) % 2)
