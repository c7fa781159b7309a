"""A rank that fails ends all others: its reason is the last line of output, and its exit status is that of all ranks.

The first rank to fail tells so in the ranks' store and waits until the others know. They print nothing more, wherever
they are (in a collective, in generation, in an engine's shutdown), wait until it has printed its reason, and end by
force.
"""

import contextlib
import json
import math
import os
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

from acereason.processes.descendants import end_with_descendants

LAUNCHER = "ACEREASON_LAUNCHER"
"""Variable with the process id of rank 0, in it and in the ranks that it starts."""
GRACE_SECONDS = 10.0
"""Seconds that a rank that has failed may take to clean up before its end is forced, and that ranks wait for each other
at most."""
# why: the store may end with one of the others, and launchers name the first rank that ends as the cause
_AFTER_SECONDS = 0.5
"""Seconds that the other ranks stay after they have seen the reason told."""
_FAILURES, _STATUS, _KNOWN, _TOLD, _SEEN = (
    f"acereason/{name}" for name in ("failures", "status", "known", "told", "seen")
)
"""Keys of the ranks' store: how many ranks have failed, the first one's exit status, how many ranks know of it, whether
it has printed its reason, and how many ranks have seen that."""

Ask = Callable[[Callable[[Any, int], Any]], Any]
"""Calls a function with the ranks' store and their number; None if there is no store (any more)."""
Describe = Callable[[Exception], tuple[int, str]]
"""Returns the exit status for an exception, and the text about it for the user."""


class Failure:
    """Ends a verb on all of its ranks when one of them fails.

    Args:
        ask: calls a function with the ranks' store.
        describe: returns exit status and text for an exception.
        launcher: process id of rank 0 if it has started this process; else 0.
    """

    def __init__(self, ask: Ask, describe: Describe, launcher: int) -> None:
        self.status = 0
        """Exit status of every rank; 0 while none has failed."""
        self._ask, self._describe, self._launcher = ask, describe, launcher
        self._text: str | None = None
        """The reason to print, if this rank was the first to fail."""
        self._deadline = math.inf
        self._hearing, self._ending = threading.Lock(), threading.Lock()

    def begin(self, error: Exception) -> None:
        """Tell the other ranks that this one has failed, and wait until they know. Returns at once without others."""
        # why: the counter decides who was first: ranks often fail together, and one reason is enough
        first = self._ask(lambda store, _: store.add(_FAILURES, 1) == 1)
        if first:
            self.status, self._text = self._describe(error)
            self._ask(lambda store, _: store.set(_STATUS, str(self.status)))
            self._wait(lambda store, ranks: store.add(_KNOWN, 0) >= ranks - 1)
            self._deadline = time.monotonic() + GRACE_SECONDS
        elif first is not None:
            self._wait(lambda *_: self.hear())

    def hear(self) -> bool:
        """Look whether a rank has failed, and return it."""
        # why: the listening thread and a failing main thread both call it, and must count this rank once
        with self._hearing:
            if not self.status and (status := self._ask(_status)):
                self.status, self._deadline = status, 0.0
                self._ask(lambda store, _: store.add(_KNOWN, 1))
            elif self._launcher not in (0, os.getppid()) and self._deadline == math.inf:
                # why: a new parent means that rank 0 is done, or was killed: no other news of it will come
                self._deadline = time.monotonic() + 3 * GRACE_SECONDS
        return self.status > 0

    @property
    def must_end(self) -> bool:
        """Whether this rank must end now: another has failed, or its own time to end by itself is over."""
        return time.monotonic() > self._deadline

    def end(self) -> NoReturn:
        """End this process and its descendants, after the reason has been printed."""
        # why: never released: another thread that comes here waits until the process ends
        self._ending.acquire()
        if self._text is not None:
            # why: past Python's buffers, whose locks another thread may hold
            os.write(2, self._text.encode(errors="replace"))
            _tell_torchrun(self._text)
            self._ask(lambda store, _: store.set(_TOLD, "1"))
            # why: the store may end with this process
            self._wait(lambda store, ranks: store.add(_SEEN, 0) >= ranks - 1)
            # why: Lightning kills rank 0 when it sees that a rank that it has launched has failed
            self._wait(lambda *_: os.getppid() != self._launcher)
        else:
            self._wait(lambda store, _: store.check([_TOLD]), 3 * GRACE_SECONDS)
            self._ask(lambda store, _: store.add(_SEEN, 1))
            time.sleep(_AFTER_SECONDS)
        end_with_descendants(self.status or 1)

    def _wait(self, until: Callable[[Any, int], bool], seconds: float = GRACE_SECONDS) -> None:
        """Wait until the answer is true, as long as there is a store, but no longer than `seconds`."""
        deadline = time.monotonic() + seconds
        while self._ask(until) is False and time.monotonic() < deadline:
            time.sleep(0.05)


def _status(store: Any, _: int) -> int | None:
    return int(store.get(_STATUS)) if store.check([_STATUS]) else None


def _tell_torchrun(text: str) -> None:
    """Write the reason to the file that torchrun's summary shows."""
    path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if path:
        message = {"message": text.rstrip(), "extraInfo": {"timestamp": str(int(time.time()))}}
        with contextlib.suppress(OSError), open(path, "w") as file:
            json.dump({"message": message}, file)
