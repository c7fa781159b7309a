"""This module keeps finished work safe from a kill at any moment, in one file that only grows."""

import json
import os
import time
from pathlib import Path
from typing import Any, Literal

from acereason.common.errors import UserError, first_line
from acereason.common.locks import hold
from acereason.common.texts import to_json
from acereason.teacher.requests import Key

_SYNC_SECONDS = 1.0
"""Seconds between two syncs: the work that a machine may lose with its power. A killed process loses nothing."""

Kind = Literal["response", "verdict"]


class Journal:
    """A file of JSON lines: a response as soon as it has ended, and later, on a line of its own, its verdict.

    A line is handed to the operating system at once, whole, so that SIGKILL loses none; the disk has it a second later.
    A torn last line, left by a machine that lost power, is cut off. Memory holds the lines' places and marks alone.

    Args:
        path: the file, made where there is none. One process at a time may have it open.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self._synced = path, time.monotonic()
        self._file, self._reader = path.open("ab"), path.open("rb")
        # why: two writers would mix their lines, and neither would know the places of the other's
        hold(self._file, f"output: another process writes {path}; wait for its end, or give another shard")
        self._places: dict[Kind, dict[Key, tuple[int, str]]] = {"response": {}, "verdict": {}}
        self._end = 0
        self._read_all()

    def has(self, kind: Kind, key: Key) -> bool:
        """Return whether there is a line of this kind for the request."""
        return key in self._places[kind]

    def mark(self, kind: Kind, key: Key) -> str:
        """Return the mark with which the line was written."""
        return self._places[kind][key][1]

    def append(self, kind: Kind, key: Key, mark: str, values: dict[str, Any]) -> None:
        """Write one line.

        Args:
            kind: response or verdict.
            key: the request's name.
            mark: digest of the problem, by which a later call sees whether the id still means the same one.
            values: further fields of the line.
        """
        fields = {"kind": kind, "id": key[0], "sample": key[1], "mark": mark}
        line = to_json(fields | values) + "\n"
        data = line.encode()
        self._file.write(data)
        # why: what the system has outlives the process, even by SIGKILL
        self._file.flush()
        self._places[kind][key] = self._end, mark
        self._end += len(data)
        # why: not at every line: an fsync takes milliseconds, and hundreds of requests may be under way
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            self.sync()

    def read(self, kind: Kind, key: Key) -> dict[str, Any]:
        """Return the fields of one line, read from the file: the texts of a run don't fit into memory."""
        self._reader.seek(self._places[kind][key][0])
        return json.loads(self._reader.readline())

    def sync(self) -> None:
        """Wait until the disk has every line."""
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def close(self) -> None:
        """Sync the file, and let other processes open it."""
        self.sync()
        self._reader.close()
        self._file.close()

    def _read_all(self) -> None:
        for line in self._reader:
            if not line.endswith(b"\n"):
                self._file.truncate(self._end)
                return
            try:
                value = json.loads(line)
                self._places[value["kind"]][value["id"], value["sample"]] = self._end, value["mark"]
            except (ValueError, KeyError, TypeError) as error:
                place = f"{self.path}, byte {self._end}"
                raise UserError(
                    f"{place}: a damaged line ({first_line(error)}); delete it: it is asked again"
                ) from error
            self._end += len(line)
