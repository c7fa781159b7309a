"""Difficulty of a problem for the model that answered it, by the verdicts on its answers: `predict`, `test` and
`curate` write it in the same columns, and a stage of RL takes a range of it."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

Key = TypeVar("Key", bound=Hashable)
COLUMNS = ("judged", "pass_rate", "difficulty", "mean_tokens")
"""Names of the written columns."""


@dataclass
class Rating:
    """One problem's responses, counted.

    Example:
        >>> rating = Rating()
        >>> for status in ("correct", "wrong", "wrong", "error"):
        ...     rating.add(status, 100)
        >>> rating.pass_rate, rating.difficulty
        (0.3333333333333333, 0.6666666666666666)
    """

    correct: int = 0
    judged: int = 0
    """Correct and wrong responses; for the others the verifier failed, or there is no ground truth."""
    responses: int = 0
    tokens: int = 0
    """Tokens of all responses together."""

    def add(self, status: str | None, tokens: int) -> None:
        """Count one response; truncated ones count, too."""
        self.correct += status == "correct"
        self.judged += status in ("correct", "wrong")
        self.responses += 1
        self.tokens += tokens

    @property
    def pass_rate(self) -> float | None:
        """Share of the judged responses that are correct; None without any."""
        return self.correct / self.judged if self.judged else None

    @property
    def difficulty(self) -> float | None:
        """Share of the judged responses that are wrong; None without any."""
        return (self.judged - self.correct) / self.judged if self.judged else None

    @property
    def mean_tokens(self) -> float | None:
        """Mean length of the responses, tokens; None without any."""
        return self.tokens / self.responses if self.responses else None

    def columns(self) -> dict[str, Any]:
        """Return the columns as they are written."""
        return {name: getattr(self, name) for name in COLUMNS}


def ratings_of(responses: Iterable[tuple[Key, str | None, int]]) -> dict[Key, Rating]:
    """Return the problems' ratings from (problem, status, tokens) of each response."""
    found: dict[Key, Rating] = {}
    for key, status, tokens in responses:
        found.setdefault(key, Rating()).add(status, tokens)
    return found
