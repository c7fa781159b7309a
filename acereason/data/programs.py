r"""A generator of small verifiable programming tasks with worked programs, for the model of the quickstart.

A program reads an integer n and prints a linear function of it. Levels, each harder than the one before:
    1  print n+4
    2  print 3n+14
    3  print 37n-58
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from acereason.common.errors import UserError
from acereason.common.seeds import derive_seed
from acereason.data.arithmetic import split_of

_FACTORS = {1: (1, 1), 2: (2, 9), 3: (11, 99)}
_TERMS = {1: (1, 99), 2: (1, 99), 3: (-99, 99)}
_INPUTS = 3


@dataclass
class Programs:
    """Settings of made-up programming tasks."""

    levels: list[int] = field(default_factory=lambda: [1])
    """Difficulty levels, 1 to 3, drawn in equal shares."""
    size: int = 100
    """Number of tasks, all different."""
    split: Literal["train", "heldout"] = "train"
    """The two never share a task: a hash of the task decides where it belongs, one in five is held out."""
    mistakes: float = 0.0
    """Share of the worked programs whose constant is off by one: an imperfect teacher. Tests are always right."""
    seed: int = 0
    """Draws with other seeds may overlap within a split."""

    def check(self, key: str) -> None:
        """Raise a UserError for a value that can't work; `key` names this generator."""
        if unknown := set(self.levels) - set(_FACTORS):
            raise UserError(f"{key}.levels: {sorted(unknown)} unknown; there are {sorted(_FACTORS)}")

    def rows(self) -> list[dict]:
        """Return rows with `id`, `statement`, `tests`, `solution` and `level`."""
        rows: dict[str, dict] = {}
        for level, factor, term, slip in self._draws():
            text = f"{'' if factor == 1 else factor}n{term:+}"
            if split_of(text) == self.split:
                row = {"statement": f"print {text}", "tests": tests(text, factor, term)}
                rows[text] = {"id": text, "level": level, **row, "solution": solution(factor, term + slip)}
            if len(rows) == self.size:
                return list(rows.values())
        found = f"{len(rows)} different {self.split} tasks"
        raise UserError(f"programs.size: levels {self.levels} have only {found}, not {self.size}")

    def _draws(self) -> Iterator[tuple[int, int, int, int]]:
        generator = random.Random(derive_seed("programs", self.seed, self.split))
        for draw in range(100 * self.size):
            level = self.levels[draw % len(self.levels)]
            factor, term = generator.randint(*_FACTORS[level]), generator.randint(*_TERMS[level])
            # why: drawn in any case, so that `mistakes` doesn't change which tasks are drawn
            off, chance = generator.choice([-1, 1]), generator.random()
            if term:
                yield level, factor, term, off if chance < self.mistakes else 0


def tests(text: str, factor: int, term: int) -> str:
    """Return inputs and the outputs of a right program, as JSON."""
    # why: seeded by the task alone: a task has the same tests in every draw
    generator = random.Random(derive_seed("inputs", text))
    numbers = generator.sample(range(-99, 100), _INPUTS)
    outputs = [f"{factor * number + term}\n" for number in numbers]
    return json.dumps({"type": "stdin", "inputs": [f"{number}\n" for number in numbers], "outputs": outputs})


def solution(factor: int, term: int) -> str:
    """Return a program in a fenced block.

    Example:
        >>> print(solution(3, 14))
        ```python
        print(3*int(input())+14)
        ```
    """
    product = "int(input())" if factor == 1 else f"{factor}*int(input())"
    return f"```python\nprint({product}{term:+})\n```"
