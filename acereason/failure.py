"""A rank that fails ends the others: its reason is the last line, and its exit status that of all.

The first to fail says so in the ranks' store and waits until the others know. They say nothing more, wherever they are
(in a collective, in generation, in an engine's shutdown), wait until it has told its reason, and end by force.
"""

import contextlib
import json
import math
import os
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

from acereason.processes import end_with_descendants

LAUNCHER = "ACEREASON_LAUNCHER"
"""Variable with the process id of rank 0, in it and in the ranks that it starts."""
GRACE_SECONDS = 10.0
"""What a rank that has failed may take to undo what it has begun, before its end is forced, and how long at most ranks
wait for each other."""
_AFTER_SECONDS = 0.5
"""How long the others stay then: the store may end with one of them, and launchers name the first that ends as the
cause."""
_FAILURES, _STATUS, _KNOWN, _TOLD, _SEEN = (
    f"acereason/{name}" for name in ("failures", "status", "known", "told", "seen")
)
"""What the ranks tell each other: how many have failed, the first one's exit status, how many know of it, whether
it has told its reason, and how many have seen that."""

Ask = Callable[[Callable[[Any, int], Any]], Any]
"""Puts a question to the ranks' store, with their number; None where there is no store (any more)."""
Describe = Callable[[Exception], tuple[int, str]]
"""The exit status for an exception, and what a person is told of it."""


class Failure:
    """How a verb fails on all of its ranks.

    Args:
        ask: the ranks' store.
        describe: tells of an exception.
        launcher: process id of rank 0 where it has started this one; else 0.
    """

    def __init__(self, ask: Ask, describe: Describe, launcher: int) -> None:
        self.status = 0
        """Exit status of every rank; 0 while none has failed."""
        self._ask, self._describe, self._launcher = ask, describe, launcher
        self._text: str | None = None
        """What there is to tell, where it is this rank that has failed first."""
        self._deadline = math.inf
        self._hearing, self._ending = threading.Lock(), threading.Lock()

    def begin(self, error: Exception) -> None:
        """This rank has failed: let the others know. Returns at once where there are none."""
        first = self._ask(lambda store, _: store.add(_FAILURES, 1) == 1)
        if first:
            self.status, self._text = self._describe(error)
            self._ask(lambda store, _: store.set(_STATUS, str(self.status)))
            self._wait(lambda store, ranks: store.add(_KNOWN, 0) >= ranks - 1)
            self._deadline = time.monotonic() + GRACE_SECONDS
        elif first is not None:
            self._wait(lambda *_: self.hear())

    def hear(self) -> bool:
        """Whether a rank has failed."""
        with self._hearing:
            if not self.status and (status := self._ask(_status)):
                self.status, self._deadline = status, 0.0
                self._ask(lambda store, _: store.add(_KNOWN, 1))
            elif self._launcher not in (0, os.getppid()) and self._deadline == math.inf:
                self._deadline = time.monotonic() + 3 * GRACE_SECONDS  # rank 0 is done, or was killed
        return self.status > 0

    @property
    def must_end(self) -> bool:
        """Whether this rank may not go on, or has not come to its end by itself in time."""
        return time.monotonic() > self._deadline

    def end(self) -> NoReturn:
        """End this process and all below it, once the reason is told."""
        self._ending.acquire()  # for good: another thread that comes here waits for the end
        if self._text is not None:
            os.write(2, self._text.encode(errors="replace"))
            _tell_torchrun(self._text)
            self._ask(lambda store, _: store.set(_TOLD, "1"))
            # the store may end with this process
            self._wait(lambda store, ranks: store.add(_SEEN, 0) >= ranks - 1)
            # why: Lightning kills rank 0 when it sees that a rank that it has launched has failed
            self._wait(lambda *_: os.getppid() != self._launcher)
        else:
            self._wait(lambda store, _: store.check([_TOLD]), 3 * GRACE_SECONDS)
            self._ask(lambda store, _: store.add(_SEEN, 1))
            time.sleep(_AFTER_SECONDS)
        end_with_descendants(self.status or 1)

    def _wait(self, until: Callable[[Any, int], bool], seconds: float = GRACE_SECONDS) -> None:
        """Wait for an answer that is true, as long as there is a store, and some seconds at most."""
        deadline = time.monotonic() + seconds
        while self._ask(until) is False and time.monotonic() < deadline:
            time.sleep(0.05)


def _status(store: Any, _: int) -> int | None:
    return int(store.get(_STATUS)) if store.check([_STATUS]) else None


def _tell_torchrun(text: str) -> None:
    """Leave the reason where torchrun looks for it, so that its summary has it, too."""
    path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if path:
        message = {"message": text.rstrip(), "extraInfo": {"timestamp": str(int(time.time()))}}
        with contextlib.suppress(OSError), open(path, "w") as file:
            json.dump({"message": message}, file)
