r"""A generator of verifiable arithmetic with worked steps: problems that a toy model can learn in minutes on a CPU.

Levels, each harder than the one before:
    1  one digit plus one digit            7+5
    2  two digits plus one digit           47+5
    3  two digits plus two digits          47+85
    4  three digits plus two digits        347+85
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from acereason.common.errors import UserError
from acereason.common.seeds import derive_seed

_DIGITS = {1: (1, 1), 2: (2, 1), 3: (2, 2), 4: (3, 2)}


@dataclass
class Arithmetic:
    """Settings of made-up math problems."""

    levels: list[int] = field(default_factory=lambda: [1])
    """Difficulty levels, 1 to 4, drawn in equal shares."""
    size: int = 100
    """Number of problems, all different."""
    split: Literal["train", "heldout"] = "train"
    """The two never share a problem: a hash of the problem decides where it belongs, one in five is held out."""
    mistakes: float = 0.0
    """Share of the worked solutions whose first sum is off by one, and all that follows from it: an imperfect teacher.
    Ground truths are always right."""
    seed: int = 0
    """Draws with other seeds may overlap within a split."""

    def check(self, key: str) -> None:
        """Raise a UserError for a value that can't work; `key` names this generator."""
        if unknown := set(self.levels) - set(_DIGITS):
            raise UserError(f"{key}.levels: {sorted(unknown)} unknown; there are {sorted(_DIGITS)}")

    def rows(self) -> list[dict]:
        """Return rows with `id`, `statement`, `answer`, `solution` and `level`."""
        rows: dict[str, dict] = {}
        for level, terms, slip in self._draws():
            statement = "+".join(map(str, terms))
            if split_of(statement) == self.split:
                texts = {"statement": statement, "answer": str(sum(terms)), "solution": solution(terms, slip)}
                rows[statement] = {"id": statement, "level": level, **texts}
            if len(rows) == self.size:
                return list(rows.values())
        found = f"{len(rows)} different {self.split} problems"
        raise UserError(f"arithmetic.size: levels {self.levels} have only {found}, not {self.size}")

    def _draws(self) -> Iterator[tuple[int, list[int], int]]:
        generator = random.Random(derive_seed("arithmetic", self.seed, self.split))
        # why: bounded: a level has a limited number of different problems, and `rows` may ask for more
        for draw in range(100 * self.size):
            level = self.levels[draw % len(self.levels)]
            terms = [generator.randrange(10 ** (n - 1), 10**n) for n in _DIGITS[level]]
            yield level, terms, generator.choice([-1, 1]) if generator.random() < self.mistakes else 0


def split_of(statement: str) -> str:
    """Return the split that a problem belongs to, whatever seed drew it."""
    return "heldout" if derive_seed("split", statement) % 5 == 0 else "train"


def solution(terms: list[int], slip: int = 0) -> str:
    r"""Return worked steps for two terms: units, tens, their sum; then the boxed answer. `slip` changes the first sum.

    Example:
        >>> print(solution([47, 85]))
        7+5=12,4+8=12,120+12=132
        \boxed{132}
    """
    first, second = terms
    units, tens = first % 10 + second % 10 + slip, first // 10 + second // 10
    steps = [f"{first % 10}+{second % 10}={units}"]
    if second >= 10:
        steps.append(f"{first // 10}+{second // 10}={tens}")
    if tens:
        steps.append(f"{tens}0+{units}={10 * tens + units}")
    return ",".join(steps) + f"\n\\boxed{{{10 * tens + units}}}"
