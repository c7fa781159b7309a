"""This module keeps finished work safe from a kill at any moment, in a file of JSON lines that only grows."""

import json
import os
import time
from collections.abc import Callable, Iterator
from glob import escape
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from acereason.common.errors import UserError, first_line
from acereason.common.locks import hold
from acereason.common.texts import to_json

T = TypeVar("T")

_SYNC_SECONDS = 1.0
"""Seconds between two syncs: the work that a machine may lose with its power. A killed process loses nothing."""
_BLOCK = 2**16
"""Bytes that are read at a time in search of the last whole line."""


class Journal:
    """A journal that this process appends to; a context manager.

    A line is handed to the operating system at once, whole, so that SIGKILL loses none; the disk has it a second later.
    A torn last line, left by a machine that lost power, is cut off.

    Args:
        path: the file, made where there is none.
        refusal: text of the UserError that is raised while another process has it open.
    """

    def __init__(self, path: Path, refusal: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self._synced = path, time.monotonic()
        self.file, self._reader = path.open("ab"), path.open("rb")
        # why: two writers would mix their lines, and neither would know the places of the other's
        hold(self.file, refusal)
        # why: the next line would be glued to a torn one
        self._end = _end_of_lines(self._reader)
        self.file.truncate(self._end)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, values: dict[str, Any]) -> int:
        """Write one line, and return its place in the file."""
        place, data = self._end, (to_json(values) + "\n").encode()
        self.file.write(data)
        # why: what the system has outlives the process, even by SIGKILL
        self.file.flush()
        self._end += len(data)
        # why: not at every line: an fsync takes milliseconds, and hundreds of requests may be under way
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            self._sync()
        return place

    def read(self, place: int) -> dict[str, Any]:
        """Return the values of the line at a place."""
        self._reader.seek(place)
        return json.loads(self._reader.readline())

    def close(self) -> None:
        """Wait until the disk has every line, and let other processes open the file."""
        self._sync()
        self._reader.close()
        self.file.close()

    def _sync(self) -> None:
        os.fsync(self.file.fileno())
        self._synced = time.monotonic()


class RankJournals:
    """The journals `NAME-RANK.jsonl` of one work by all ranks of all calls.

    Args:
        folder: folder of the journals.
        name: name of the work.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name

    def paths(self) -> list[Path]:
        """Return the journals that there are."""
        found = self.folder.glob(f"{escape(self.name)}-*.jsonl")
        # why: the pattern also finds journals of a work whose name begins with this one's and a dash
        return sorted(path for path in found if path.stem.removeprefix(f"{self.name}-").isdecimal())

    def journal(self, rank: int) -> Journal:
        """Open a rank's journal, to append to."""
        path = self.folder / f"{self.name}-{rank}.jsonl"
        return Journal(path, f"{path}: another process evaluates into this folder; wait for it")

    def entries(self, entry: Callable[..., T]) -> Iterator[T]:
        """Yield `entry` with the values of each line as its arguments; torn last lines are left out."""
        for path in self.paths():
            yield from (row for _, row in read_lines(path, lambda values: entry(**values)))


def read_lines(path: Path, entry: Callable[[dict[str, Any]], T]) -> Iterator[tuple[int, T]]:
    """Yield (place, entry of the values) of each line; a torn last line is left out.

    Raises:
        UserError: a line is damaged, or `entry` finds that it lacks something; it is named.
    """
    place = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return
            try:
                found = entry(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                reason = f"a damaged line ({first_line(error)})"
                raise UserError(f"{path}, line {number}: {reason}; delete it: its response is drawn again") from error
            yield place, found
            place += len(line)


def _end_of_lines(file: BinaryIO) -> int:
    """Return the number of bytes up to the end of the last whole line."""
    # why: backwards by blocks, since a journal may be larger than memory and a torn line is at its end
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - _BLOCK)
        file.seek(start)
        if (found := file.read(end - start).rfind(b"\n")) >= 0:
            return start + found + 1
        end = start
    return 0
