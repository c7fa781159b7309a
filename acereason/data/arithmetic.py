r"""A generator of verifiable arithmetic with worked steps: problems that a toy model can learn in minutes on a CPU.

Levels, each harder than the one before:
    1  one digit plus one digit            7+5
    2  two digits plus one digit           47+5
    3  two digits plus two digits          47+85
    4  three digits plus two digits        347+85
    5  three digits plus three digits      347+285
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from acereason.common.errors import UserError
from acereason.common.seeds import derive_seed

_DIGITS = {1: (1, 1), 2: (2, 1), 3: (2, 2), 4: (3, 2), 5: (3, 3)}
# why: 15+5 has a single one: 5+5=10,10+10=20; from two digits plus two on, two steps have an order, and 120+12 another
_DIFFERENT = {1: 1, 2: 1, 3: 4, 4: 4, 5: 4}
"""Different solutions that every problem of a level has."""


@dataclass
class Arithmetic:
    """Settings of made-up math problems."""

    levels: list[int] = field(default_factory=lambda: [1])
    """Difficulty levels, 1 to 5, drawn in equal shares."""
    size: int = 100
    """Number of problems, all different."""
    split: Literal["train", "heldout"] = "train"
    """The two never share a problem: a hash of the problem decides where it belongs, one in five is held out."""
    mistakes: float = 0.0
    """Share of the worked solutions whose first sum is off by one, and all that follows from it: an imperfect teacher.
    Ground truths are always right."""
    seed: int = 0
    """Draws with other seeds may overlap within a split."""
    verbosity: float = 0.0
    """Share of the worked steps that are followed by a redundant one, the same sum with its terms exchanged: slack that
    a policy can give up, or take up, without being wrong."""
    samples: int = 1
    """Rows of a problem, each with another worked solution: in another order of steps or of terms. Each problem of
    levels 3 to 5 has four."""

    def check(self, key: str) -> None:
        """Raise a UserError for a value that can't work; `key` names this generator."""
        if unknown := set(self.levels) - set(_DIGITS):
            raise UserError(f"{key}.levels: {sorted(unknown)} unknown; there are {sorted(_DIGITS)}")
        if not 0 <= self.verbosity <= 1:
            raise UserError(f"{key}.verbosity: {self.verbosity} is no share; give one from 0 to 1")
        most = min(_DIFFERENT[level] for level in self.levels)
        if not 1 <= self.samples <= most:
            raise UserError(
                f"{key}.samples: {self.samples} solutions, where each of levels {self.levels} has 1 to {most}"
            )

    def rows(self) -> list[dict]:
        """Return rows with `id`, `statement`, `answer`, `solution` and `level`."""
        rows: dict[str, list[dict]] = {}
        for level, terms, slip in self._draws():
            statement = "+".join(map(str, terms))
            if split_of(statement) == self.split:
                given = {"level": level, "statement": statement, "answer": str(sum(terms))}
                rows[statement] = [
                    {"id": f"{statement}#{number}" if number else statement, **given, "solution": text}
                    for number, text in enumerate(self._solutions(statement, terms, slip))
                ]
            if len(rows) == self.size:
                return [row for group in rows.values() for row in group]
        found = f"{len(rows)} different {self.split} problems"
        raise UserError(f"arithmetic.size: levels {self.levels} have only {found}, not {self.size}")

    def _solutions(self, statement: str, terms: list[int], slip: int) -> list[str]:
        """Return `samples` different solutions; the first has the steps in their order."""
        # why: drawn apart from the problems, which neither verbosity nor samples may change
        generator = random.Random(derive_seed("solutions", self.seed, statement))
        found = {_worded(_steps(terms, slip), self.verbosity, generator): None}
        while len(found) < self.samples:
            other = generator.choice([-1, 1]) if generator.random() < self.mistakes else 0
            found[_worded(_reordered(_steps(terms, other), generator), self.verbosity, generator)] = None
        return list(found)

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
    return _worded(_steps(terms, slip))


Step = tuple[int, int, int]
"""(term, term, sum) of a worked step."""


def _steps(terms: list[int], slip: int) -> list[Step]:
    first, second = terms
    units, tens = first % 10 + second % 10 + slip, first // 10 + second // 10
    steps = [(first % 10, second % 10, units)]
    if second >= 10:
        steps.append((first // 10, second // 10, tens))
    if tens:
        steps.append((10 * tens, units, 10 * tens + units))
    return steps


def _reordered(steps: list[Step], generator: random.Random) -> list[Step]:
    """Return the steps with terms exchanged at random; all but the last, which builds on them, in a random order."""
    exchanged = [_exchanged(step) if generator.random() < 0.5 else step for step in steps]
    *first, last = exchanged
    generator.shuffle(first)
    return [*first, last]


def _exchanged(step: Step) -> Step:
    return step[1], step[0], step[2]


def _worded(steps: list[Step], verbosity: float = 0.0, generator: random.Random | None = None) -> str:
    """Return the solution's text; a share `verbosity` of the steps is followed by itself with its terms exchanged."""
    told: list[Step] = []
    for step in steps:
        told += [step, _exchanged(step)] if generator and generator.random() < verbosity else [step]
    return ",".join(f"{a}+{b}={c}" for a, b, c in told) + f"\n\\boxed{{{steps[-1][2]}}}"
