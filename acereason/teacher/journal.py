"""What is finished, safe from a kill at any moment: one file that only grows."""

import json
import os
import time
from pathlib import Path
from typing import Any, Literal

from acereason.errors import UserError, first_line
from acereason.locks import hold
from acereason.teacher.requests import Key
from acereason.texts import to_json

_SYNC_SECONDS = 1.0
"""What a machine that loses power may forget; a killed process forgets nothing."""

Kind = Literal["response", "verdict"]


class Journal:
    """Lines of JSON: a response as soon as it has ended, and later, on a line of its own, its verdict.

    A line is handed to the operating system at once, whole, so that SIGKILL loses none; the disk has it a second later.
    A torn last line, left by a machine that lost power, is cut off. Only where lines are, and their marks, is kept in
    memory.

    Args:
        path: of the file; made where there is none. One process at a time may have it open.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self._synced = path, time.monotonic()
        self._file, self._reader = path.open("ab"), path.open("rb")
        hold(self._file, f"output: another process writes {path}; wait for its end, or give another shard")
        self._places: dict[Kind, dict[Key, tuple[int, str]]] = {"response": {}, "verdict": {}}
        self._end = 0
        self._read_all()

    def has(self, kind: Kind, key: Key) -> bool:
        """Whether there is a line of the kind."""
        return key in self._places[kind]

    def mark(self, kind: Kind, key: Key) -> str:
        """What the line was marked with."""
        return self._places[kind][key][1]

    def append(self, kind: Kind, key: Key, mark: str, values: dict[str, Any]) -> None:
        """Write one line; the mark tells later what it is about."""
        fields = {"kind": kind, "id": key[0], "sample": key[1], "mark": mark}
        line = to_json(fields | values) + "\n"
        data = line.encode()
        self._file.write(data)
        self._file.flush()
        self._places[kind][key] = self._end, mark
        self._end += len(data)
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            self.sync()

    def read(self, kind: Kind, key: Key) -> dict[str, Any]:
        """The values of one line."""
        self._reader.seek(self._places[kind][key][0])
        return json.loads(self._reader.readline())

    def sync(self) -> None:
        """Return when the disk has every line."""
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def close(self) -> None:
        """Sync, and let other processes open it."""
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
