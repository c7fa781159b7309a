"""This module keeps counts of judged responses, so that a killed screening or evaluation goes on where it was.

Each rank has a journal `NAME-KEY-RANK.jsonl` with a line for each problem, or for one response to it. NAME is of the
work inside `fit` or `validate`; KEY is a digest of the policy and of all else that the counts depend on. Journals of
the same name with another key are of an earlier policy, and are removed.
"""

import hashlib
import json
from pathlib import Path

from acereason.common.errors import UserError
from acereason.common.types import CompressedTests, Problem
from acereason.evaluation.accuracy import Judged
from acereason.evaluation.fingerprint import digest, problem_digest
from acereason.evaluation.samples import Journal, journals
from acereason.rollouts.engine import numbered


class Counts:
    """The kept counts of one screening or evaluation.

    Args:
        folder: folder of all journals.
        name: name of the screening or evaluation.
        key: digest of all that the counts depend on.
    """

    def __init__(self, folder: Path, name: str, key: str) -> None:
        self.folder, self.name, self.key = folder, name, key

    def read(self) -> dict[str, Judged]:
        """Return the kept counts by problem, of all ranks of all calls; a torn last line is dropped."""
        rows = (row for path in journals(self.folder, f"{self.name}-{self.key}") for row in _rows(path))
        return {row.problem: row for row in rows}

    def journal(self, rank: int) -> Journal:
        """Return the journal of a rank, to append to."""
        return Journal(self.folder, f"{self.name}-{self.key}", rank)

    def forget_others(self) -> None:
        """Remove the journals that an earlier policy has left under this name."""
        for path in self.folder.glob(f"{self.name}-*.jsonl"):
            # why: split from the right, since a name may hold dashes: `a-b` is not a journal of `a`
            name, key, _ = path.stem.rsplit("-", 2)
            if name == self.name and key != self.key:
                path.unlink()


def problems_digest(problems: list[Problem]) -> str:
    """Return the digest of the problems' prompts and ground truths; numbered copies of a problem count once."""
    first = {numbered(problem.id)[0]: problem for problem in problems}
    return digest([[name, _digest(problem)] for name, problem in first.items()])


def _digest(problem: Problem) -> str:
    # why: the compressed bytes stand for the tests, since unpacking takes minutes where they are many
    if isinstance(problem.tests, CompressedTests):
        tests = hashlib.sha256(problem.tests.data).hexdigest()
        return digest([problem.prompt_ids, tests])
    return problem_digest(problem)


def _rows(path: Path) -> list[Judged]:
    with path.open("rb") as lines:
        # why: a killed writer leaves half a line, whose response is drawn again
        whole = [line for line in lines if line.endswith(b"\n")]
    try:
        return [Judged(**json.loads(line)) for line in whole]
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: damaged; delete it to draw its responses again") from error
