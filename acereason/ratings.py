"""How hard a problem is for whoever answered it, by the verdicts on the answers: `predict`, `test` and `curate` write
it in the same words, and a stage of RL takes a range of it."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

Key = TypeVar("Key", bound=Hashable)
COLUMNS = ("judged", "pass_rate", "difficulty", "mean_tokens")
"""Names of what is written."""


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
    """Correct and wrong ones; the verifier failed on the others, or there is no ground truth."""
    responses: int = 0
    tokens: int = 0
    """Of all responses together."""

    def add(self, status: str | None, tokens: int) -> None:
        """One response, cut ones included."""
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
        """As it is written."""
        return {name: getattr(self, name) for name in COLUMNS}


def ratings_of(responses: Iterable[tuple[Key, str | None, int]]) -> dict[Key, Rating]:
    """The problems' ratings, from responses: (problem, status, tokens)."""
    found: dict[Key, Rating] = {}
    for key, status, tokens in responses:
        found.setdefault(key, Rating()).add(status, tokens)
    return found
