"""Verdicts of a judge that are kept, so that no question is asked twice in a run, however often it is killed."""

import hashlib
import json
from typing import Any, BinaryIO

from acereason.common.journal import RankJournals, read_lines
from acereason.common.types import Verdict

Place = tuple[BinaryIO, int]
"""A file, and where in it a line begins."""


class Kept:
    """The verdicts that the journals of all ranks hold, and a journal of this rank for further ones.

    Memory holds the places of the lines alone. Errors are not kept: they are asked about again.

    Args:
        journals: the journals.
        rank: number of this process's own.
    """

    def __init__(self, journals: RankJournals, rank: int) -> None:
        # why: opened first: it cuts off a torn line of its own
        self._journal = journals.journal(rank)
        self._readers = {path: path.open("rb") for path in journals.paths()}
        own = self._readers[self._journal.path]
        self._places: dict[bytes, Place] = {}
        # why: its own last, whose verdicts this rank went on with
        for path, reader in sorted(self._readers.items(), key=lambda item: item[1] is own):
            self._places |= {key: (reader, place) for place, key in read_lines(path, _key_of)}
        self._own = own

    def get(self, key: bytes) -> Verdict | None:
        """Return the kept verdict on a question."""
        if key not in self._places:
            return None
        reader, place = self._places[key]
        reader.seek(place)
        values = json.loads(reader.readline())
        # why: it took no judging now
        return Verdict(values["status"], values["detail"] | {"seconds": 0.0}, values["score"])

    def add(self, key: bytes, verdict: Verdict) -> None:
        """Keep a verdict, unless it is an error."""
        if verdict.status != "error":
            detail = {name: value for name, value in verdict.detail.items() if name != "seconds"}
            values = {"status": verdict.status, "score": verdict.score, "detail": detail}
            self._places[key] = self._own, self._journal.append({"key": key.hex(), **values})

    def close(self) -> None:
        """Close the files."""
        self._journal.close()
        for reader in self._readers.values():
            reader.close()


def key_of(request: dict[str, Any]) -> bytes:
    """Return the digest of all that a judge is sent, of 16 bytes."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()[:16]


def _key_of(line: dict[str, Any]) -> bytes:
    return bytes.fromhex(line["key"])
