r"""A generator of verifiable arithmetic with worked steps: problems that a toy model can learn in minutes on a CPU.

Levels, each harder than the one before:
    1  one digit plus one digit            7+5
    2  two digits plus one digit           47+5
    3  two digits plus two digits          47+85
    4  three two-digit numbers             47+85+16
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from acereason.errors import UserError
from acereason.seeds import derive_seed

_TERMS = {1: (1, 1), 2: (2, 1), 3: (2, 2), 4: (2, 2, 2)}


@dataclass
class Arithmetic:
    """Which made-up problems to draw."""

    levels: list[int] = field(default_factory=lambda: [1])
    """Difficulty levels, 1 to 4, drawn in equal shares."""
    size: int = 100
    """Number of problems, all different."""
    split: Literal["train", "heldout"] = "train"
    """The two never share a problem: a hash of the problem decides where it belongs, one in five is held out."""
    seed: int = 0
    """Draws with other seeds may overlap within a split."""

    def __post_init__(self) -> None:
        if unknown := set(self.levels) - set(_TERMS):
            raise ValueError(f"arithmetic.levels: {sorted(unknown)} unknown; there are {sorted(_TERMS)}")

    def rows(self) -> list[dict]:
        """Rows with `id`, `statement`, `answer` and `solution`."""
        rows: dict[str, dict] = {}
        for terms in self._draws():
            statement = "+".join(map(str, terms))
            if split_of(statement) == self.split:
                rows[statement] = {"id": statement, "statement": statement, "answer": str(sum(terms)), "solution": solution(terms)}
            if len(rows) == self.size:
                return list(rows.values())
        raise UserError(f"arithmetic.size: levels {self.levels} have only {len(rows)} different {self.split} problems, not {self.size}")

    def _draws(self) -> Iterator[list[int]]:
        generator = random.Random(derive_seed("arithmetic", self.seed, self.split))
        for draw in range(100 * self.size):
            digits = _TERMS[self.levels[draw % len(self.levels)]]
            yield [generator.randrange(10 ** (n - 1), 10**n) for n in digits]


def split_of(statement: str) -> str:
    """The split that a problem belongs to, whatever seed drew it."""
    return "heldout" if derive_seed("split", statement) % 5 == 0 else "train"


def solution(terms: list[int]) -> str:
    r"""Worked steps, term by term: units, tens, their sum; then the boxed answer.

    Example:
        >>> print(solution([47, 85]))
        7+5=12,40+80=120,132
        \boxed{132}
    """
    total, steps = terms[0], []
    for term in terms[1:]:
        units, tens = (total % 10, term % 10), (total - total % 10, term - term % 10)
        steps.append(f"{units[0]}+{units[1]}={sum(units)}")
        if any(tens):
            steps += [f"{tens[0]}+{tens[1]}={sum(tens)}", str(sum(units) + sum(tens))]
        total += term
    return ",".join(steps) + f"\n\\boxed{{{total}}}"
