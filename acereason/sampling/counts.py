"""This module keeps counts of judged responses, so that a killed screening or evaluation goes on where it was.

Each rank has a journal `NAME-KEY-RANK.jsonl` with a line for each problem, or for one response to it. NAME is of the
work inside `fit` or `validate`; KEY is a digest of the policy and of all else that the counts depend on. Journals of
the same name with another key are of an earlier policy, and are removed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from acereason.common.journal import RankJournals
from acereason.common.types import Group
from acereason.rollouts.engine import numbered


@dataclass
class Judged:
    """Counts of one problem's judged responses."""

    problem: str
    correct: int
    errors: int
    responses: int
    tokens: int
    truncated: int

    @classmethod
    def of(cls, group: Group) -> "Judged":
        """Count a judged group."""
        statuses = [rollout.verdict.status for rollout in group.rollouts]
        responses = [rollout.response for rollout in group.rollouts]
        return cls(
            group.problem.id,
            statuses.count("correct"),
            statuses.count("error"),
            len(responses),
            sum(len(response.token_ids) for response in responses),
            sum(response.truncated for response in responses),
        )


def together(parts: Iterable[Judged]) -> list[Judged]:
    """Add up the counts of each problem whose responses were judged one by one, under numbered ids.

    Args:
        parts: counts of single responses; their ids are those that `acereason.rollouts.engine.alone` makes.
    """
    found: dict[str, Judged] = {}
    for part in parts:
        name = numbered(part.problem)[0]
        before = found.get(name, Judged(name, 0, 0, 0, 0, 0))
        sums = (getattr(before, field.name) + getattr(part, field.name) for field in fields(Judged)[1:])
        found[name] = Judged(name, *sums)
    return list(found.values())


class Counts(RankJournals):
    """The kept counts of one screening or evaluation.

    Args:
        folder: folder of all journals.
        name: name of the screening or evaluation.
        key: digest of all that the counts depend on.
    """

    def __init__(self, folder: Path, name: str, key: str) -> None:
        super().__init__(folder, f"{name}-{key}")
        self.work, self.key = name, key

    def read(self) -> dict[str, Judged]:
        """Return the kept counts by problem."""
        return {row.problem: row for row in self.entries(Judged)}

    def forget_others(self) -> None:
        """Remove the journals that an earlier policy has left under this name."""
        for path in self.folder.glob(f"{self.work}-*.jsonl"):
            # why: split from the right, since a name may hold dashes: `a-b` is not a journal of `a`
            name, key, _ = path.stem.rsplit("-", 2)
            if name == self.work and key != self.key:
                path.unlink()
