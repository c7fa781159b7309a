"""Receives the signals that ask a verb to end; the rest of the code uses it through `acereason/processes/signals.py`.

Python's own handler runs in the main thread, and only when that is back from a library's code. So a second thread
receives signals too: it tells the other ranks, and ends the process by force on a second signal, or when the main
thread doesn't get out.
"""

import math
import os
import select
import shlex
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from acereason.processes.descendants import end_with_descendants
from acereason.processes.failure import LAUNCHER, Describe, Failure

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
GRACE_SECONDS = 10.0
"""Seconds that a verb may take to end before it is forced."""
# why: `timeout` and torchrun send a second signal to a process that has had its group's
_TOGETHER_SECONDS = 0.5
"""Seconds within which two signals count as one."""
_HEARING_SECONDS = 1.0
"""Seconds between two looks at whether another rank was told to end."""
_KEY, _HEARD, _READY = "acereason/signal", "acereason/heard", "acereason/ready"
"""Keys of the ranks' store: the signal, how many ranks know of it, how many have no collective left."""

T = TypeVar("T")
# why: Any: this module is imported before torch
Shared = tuple[Any, int]
"""torch's key-value store of the ranks, and the number of ranks."""


class Interrupted(SystemExit):
    """Ends a verb because of a signal, with exit status 128 + signal. It is a SystemExit, which libraries let pass.

    Args:
        number: the signal's number.
        agreed: whether every rank raises it at this same place.
    """

    def __init__(self, number: int, agreed: bool = False) -> None:
        super().__init__(128 + number)
        self.number, self.agreed = number, agreed
        self.kept = ""
        """Says what is saved, for the last line of output."""
        self.goes_on: dict[str, str] = {}
        """Flags, with their values, that the command line needs to resume."""


class Listener:
    """Handles signals as long as a verb runs.

    Args:
        command: the verb's command line.
        alone: whether the process is the verb's alone, so that it may be ended by force.
        describe: returns exit status and text for an exception.
    """

    def __init__(self, command: list[str], alone: bool, describe: Describe) -> None:
        self.command, self.alone = command, alone
        self.number = 0
        """The first signal; 0: none."""
        self.held = self.at_once = self.raised = False
        """Whether a signal waits; whether it is raised nevertheless; whether the main thread has raised it."""
        self.forward: Callable[[int], None] | None = None
        self.deadline = math.inf
        self.find_store: Callable[[], Shared | None] = lambda: None
        self.end_ranks: Callable[[float], None] = lambda seconds: None
        self._first, self._told = math.inf, False
        self._shared: Shared | None = None
        self._asking = threading.RLock()
        """Held while a thread asks the ranks' store."""
        self._launched = is_launched()
        self.failure = Failure(self._ask, describe, os.getppid() if self._launched else 0)
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)

    def start(self) -> None:
        """Install handlers, and start the thread that receives signals."""
        self._environment = os.environ.get(LAUNCHER)
        os.environ[LAUNCHER] = str(os.getpid())
        self._before = {number: signal.signal(number, self.handle) for number in SIGNALS}
        self._wakeup_before = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._listen, daemon=True, name="acereason-signals").start()

    def stop(self) -> None:
        """Restore the earlier handlers, and end the thread."""
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.environ.pop(LAUNCHER, None)
        if self._environment is not None:
            os.environ[LAUNCHER] = self._environment
        # why: the thread ends when it reads nothing from the closed socket
        self._wake.close()

    def forget_store(self) -> None:
        """Ask the ranks' store nothing from now on; return when no thread is asking it."""
        # why: a process aborts if a thread of it is in the store's C++ code when Python ends
        with self._asking:
            self._shared, self.find_store = None, lambda: None

    def handle(self, number: int, _: object) -> None:
        """Handle a signal in the main thread: raise Interrupted, unless signals are held or passed on."""
        # why: after a failure it is a launcher's signal, for a rank that ends anyway
        if self.failure.status:
            return
        self.number = self.number or number
        if self.forward is None and (self.at_once or not self.held) and not self.raised:
            self.raised = True
            raise Interrupted(self.number)

    def fail(self, error: Exception) -> None:
        """Tell the other ranks that this one has failed."""
        if self.alone and not (self.number or self.failure.status):
            self.failure.begin(error)

    def end_if_failed(self) -> None:
        """End the process if a rank has failed."""
        if self.failure.status:
            self.failure.end()

    def leave(self, interrupted: Interrupted) -> None:
        """Print what is saved and how to go on, and make sure that the process ends in time."""
        self.deadline = time.monotonic() + GRACE_SECONDS
        if interrupted.agreed:
            self._ask(lambda store, _: store.add(_READY, 1))
        self._wait_for_others(_READY if interrupted.agreed else _HEARD)
        self.end_ranks(3 * _HEARING_SECONDS)
        command = shlex.join(with_flags(self.command, interrupted.goes_on))
        kept = f": {interrupted.kept}" if interrupted.kept else ""
        tell(f"interrupted by {signal.Signals(interrupted.number).name}{kept}; to go on: {command}")
        self._told = True
        # why: Lightning kills rank 0 when a rank that it has launched ends with another status
        if self._launched:
            interrupted.code = 0

    def _listen(self) -> None:
        while True:
            ready, _, _ = select.select([self._woken], [], [], _HEARING_SECONDS)
            arrived = self._woken.recv(64) if ready else b""
            if ready and not arrived:
                return
            for number in arrived:
                if number in SIGNALS and not self.failure.status:
                    self._arrived(number)
            if not self.number:
                self._hear_others()
                self._hear_of_failures()
            if time.monotonic() > self.deadline:
                self._force(self.number, "ended by force: it was busy inside a library")

    def _arrived(self, number: int) -> None:
        if self.forward is not None:
            self.number = self.number or number
            self.forward(number)
        elif self._first == math.inf:
            self._begin(number)
            self._tell_others()
        elif time.monotonic() - self._first > _TOGETHER_SECONDS:
            self._force(number, "ended at once by a second signal")

    def _begin(self, number: int) -> None:
        self._first = time.monotonic()
        self.number = self.number or number
        if not self.held:
            self.deadline = self._first + GRACE_SECONDS

    def _tell_others(self) -> None:
        told = self._ask(lambda store, _: (store.set(_KEY, str(self.number)), store.add(_HEARD, 1)))
        if told is None and self._launched:
            # why: without a store yet, rank 0, which has started this process, is reached by the signal itself
            os.kill(os.getppid(), self.number)

    def _hear_others(self) -> None:
        number = self._ask(lambda store, _: int(store.get(_KEY)) if store.check([_KEY]) else None)
        if number is not None:
            self._begin(number)
            self._ask(lambda store, _: store.add(_HEARD, 1))
            # why: only a signal interrupts the main thread; its handler does the rest
            signal.pthread_kill(threading.main_thread().ident or 0, number)

    def _hear_of_failures(self) -> None:
        if not self.alone:
            return
        self.failure.hear()
        if self.failure.must_end:
            self.failure.end()

    def _wait_for_others(self, counter: str) -> None:
        """Wait until every rank is counted, but no longer than three looks."""
        # why: rank 0 takes the store with it when it ends, and each rank its connections to the others
        deadline = time.monotonic() + 3 * _HEARING_SECONDS
        while self._ask(lambda store, ranks: store.add(counter, 0) < ranks) and time.monotonic() < deadline:
            time.sleep(0.05)

    def _ask(self, question: Callable[[Any, int], T]) -> T | None:
        """Call a function with the ranks' store and their number; return None if there is no store."""
        with self._asking:
            try:
                self._shared = self._shared or self.find_store()
                return question(*self._shared) if self._shared else None
            # why: torch raises these when the rank that holds the store has ended
            except (RuntimeError, ValueError):
                self.forget_store()
                return None

    def _force(self, number: int, why: str) -> None:
        if not self.alone:
            return
        if not self._told:
            tell(f"interrupted by {signal.Signals(number).name}, {why}; to go on: {shlex.join(self.command)}")
        self.end_ranks(0.0)
        end_with_descendants(128 + number)


def tell(line: str) -> None:
    """Write one line to stderr, on rank 0 only."""
    if all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID", "NODE_RANK")):
        # why: past Python's buffers, whose locks the main thread may hold
        os.write(2, f"{line}\n".encode(errors="replace"))


def with_flags(command: list[str], flags: dict[str, str]) -> list[str]:
    """Return the command line with these flags at its end, and removed before.

    Example:
        >>> with_flags(["run.py", "fit", "--ckpt_path", "old.ckpt"], {"--ckpt_path": "last"})
        ['run.py', 'fit', '--ckpt_path', 'last']
    """
    pairs = zip(command, ["", *command], strict=False)
    left = [word for word, before in pairs if word.split("=")[0] not in flags and before not in flags]
    return [*left, *(word for flag in flags.items() for word in flag)]


def is_launched() -> bool:
    """Return whether Lightning's launcher in rank 0 has started this process."""
    return os.environ.get("LOCAL_RANK", "0") != "0" and os.environ.get(LAUNCHER) == str(os.getppid())
