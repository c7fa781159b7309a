"""Rows of a source that can't be used, and the messages about them."""

from typing import Literal

from acereason.common.errors import UserError
from acereason.common.types import Problem
from acereason.processes.distributed import rank

BadRows = Literal["error", "exclude"]
"""Whether bad rows stop the run or are left out."""
_SHOWN = 10


class BadRow(UserError):
    """A row that can't be used."""

    def __init__(self, row: str, reason: str) -> None:
        self.row, self.reason = printable(row), reason
        super().__init__(f"{self.row}: {reason}")


def refuse_bad_rows(bad: dict[str, str], total: int, key: str, bad_rows: BadRows) -> None:
    """Report rows that can't be used ({row id: reason}): an error, or a printed line where the config excludes them."""
    if not bad:
        return
    told = told_rows(bad)
    if bad_rows == "error":
        counted = f"{len(bad):,} of {total:,}"
        raise UserError(f"{key}: {counted} rows can't be used: {told}; mend them, or set bad_rows: exclude")
    if len(bad) == total:
        raise UserError(f"{key}: none of the {total:,} rows can be used: {told}")
    # why: all ranks read the same rows
    if rank() == 0:
        print(f"{key}: {len(bad):,} of {total:,} rows excluded: {told}")


def told_rows(bad: dict[str, str]) -> str:
    """Return the first rows of {row id: reason} in one line, and the number of others."""
    shown = ", ".join(
        f"{row if row.isprintable() else repr(row)} ({reason})" for row, reason in list(bad.items())[:_SHOWN]
    )
    return shown + (f" and {len(bad) - _SHOWN:,} more" if len(bad) > _SHOWN else "")


def refuse_twins(problems: list[Problem], key: str) -> None:
    """Raise a UserError for two problems with the same id."""
    # why: seeds, samples and the easy filter refer to problems by their ids
    known: set[str] = set()
    for problem in problems:
        if problem.id in known:
            raise UserError(
                f"{key}: two rows with the id {printable(problem.id)}; name another column in fields.id, or none"
            )
        known.add(problem.id)


def printable(name: str) -> str:
    """Return a row's id as it may stand in a line of output: quoted if it has unprintable characters."""
    return name if name.isprintable() else repr(name)
