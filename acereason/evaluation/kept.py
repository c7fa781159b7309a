"""Counts of responses that a long work inside `fit` or `validate` has judged so far, kept the moment they are known.

A screening or an evaluation goes on after a kill with what it has: `NAME-KEY-RANK.jsonl` is a journal of each rank's, a
line for each problem (or for one response to it), and KEY is of the policy and of all else that the counts depend on.
Others of the same name are of an earlier policy, and go.
"""

import hashlib
import json
from pathlib import Path

from acereason.errors import UserError
from acereason.evaluation.accuracy import Judged
from acereason.evaluation.fingerprint import digest, problem_digest
from acereason.evaluation.samples import Journal, journals
from acereason.rollouts.engine import numbered
from acereason.types import KeptTests, Problem


class Counts:
    """What is kept of one work.

    Args:
        folder: of all of them.
        name: of the work.
        key: of what the counts depend on.
    """

    def __init__(self, folder: Path, name: str, key: str) -> None:
        self.folder, self.name, self.key = folder, name, key

    def read(self) -> dict[str, Judged]:
        """By problem, of all ranks of all runs; a torn last line is none."""
        rows = (row for path in journals(self.folder, f"{self.name}-{self.key}") for row in _rows(path))
        return {row.problem: row for row in rows}

    def journal(self, rank: int) -> Journal:
        """This rank's, to add to."""
        return Journal(self.folder, f"{self.name}-{self.key}", rank)

    def forget_others(self) -> None:
        """Remove what an earlier policy has left under this name."""
        for path in self.folder.glob(f"{self.name}-*.jsonl"):
            name, key, _ = path.stem.rsplit("-", 2)
            if name == self.name and key != self.key:
                path.unlink()


def problems_digest(problems: list[Problem]) -> str:
    """Of what responses answer and are judged by; several numbered ones of a problem count once."""
    first = {numbered(problem.id)[0]: problem for problem in problems}
    return digest([[name, _digest(problem)] for name, problem in first.items()])


def _digest(problem: Problem) -> str:
    if isinstance(problem.tests, KeptTests):  # unpacking them takes minutes where they are many
        tests = hashlib.sha256(problem.tests.data).hexdigest()
        return digest([problem.prompt_ids, tests])
    return problem_digest(problem)


def _rows(path: Path) -> list[Judged]:
    with path.open("rb") as lines:
        whole = [line for line in lines if line.endswith(b"\n")]
    try:
        return [Judged(**json.loads(line)) for line in whole]
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: damaged; delete it to draw its responses again") from error
