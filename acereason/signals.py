"""Signals that ask a verb to end: SIGTERM, SIGINT (Ctrl-C) and SIGUSR1 (SLURM's warning before its time limit).

A verb ends at once: `Interrupted` is raised in its main thread. Where that would spoil something (`hold`), the signal
waits until somebody asks for it (`received`).
"""

import contextlib
import math
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator

from acereason.failure import Describe
from acereason.listener import GRACE_SECONDS, SIGNALS, Interrupted, Listener, Shared

__all__ = [
    "SIGNALS",
    "Interrupted",
    "at_once",
    "failed",
    "forwarded",
    "hold",
    "ignore",
    "leave_in_time",
    "listening",
    "received",
    "shielded",
]

_listener: Listener | None = None


def _described(error: Exception) -> tuple[int, str]:
    return 1, "".join(traceback.format_exception(error))


@contextlib.contextmanager
def listening(command: list[str], alone: bool, describe: Describe = _described) -> Iterator[None]:
    """Hear signals while the context lasts. A verb that was told to end leaves it by `Interrupted`, and no other way.
    Where a rank has failed, none leaves it: all end inside.

    Args:
        command: the verb's command line.
        alone: whether the process is the verb's alone, so that it may be ended by force.
        describe: the exit status for an exception, and what a person is told of it.
    """
    global _listener
    if threading.current_thread() is not threading.main_thread():  # Python handles signals in no other
        yield
        return
    _listener = listener = Listener(command, alone, describe)
    listener.start()
    try:
        yield
        listener.end_if_failed()
        ignore()  # from here on the verb is done
        if listener.number:
            raise Interrupted(listener.number)
    except Interrupted as interrupted:
        _leave(listener, interrupted)
        raise
    except Exception as error:
        listener.fail(error)
        listener.end_if_failed()
        if not listener.number:
            raise
        caused = Interrupted(listener.number)  # another rank has left, or a library made this of it
        caused.kept = f"it ended with: {next(iter(str(error).splitlines()), type(error).__name__)}"
        _leave(listener, caused)
        raise caused from None
    finally:
        _listener = None
        if not alone:  # otherwise the process ends now, and its end is watched over
            listener.stop()


def failed(error: Exception) -> None:
    """Let the other ranks know that this one has failed, before it undoes what it has begun; they end when it does."""
    if _listener:
        _listener.fail(error)


def received() -> int:
    """The signal that the verb has had; 0: none."""
    return _listener.number if _listener else 0


def hold() -> None:
    """From now on a signal waits for whoever asks `received`, but for `at_once`."""
    if _listener:
        _listener.held, _listener.deadline = True, math.inf


def leave_in_time() -> None:
    """From now on the process has `GRACE_SECONDS` to end."""
    if _listener:
        _listener.deadline = time.monotonic() + GRACE_SECONDS


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """A signal, one that has come before included, breaks off what is in this context by an Interrupted."""
    if _listener is None:
        yield
        return
    try:
        _listener.at_once = True
        if _listener.number:
            _listener.raised = True
            raise Interrupted(_listener.number)
        yield
    finally:
        _listener.at_once = False
        _listener.raised = _listener.raised and not _listener.held


@contextlib.contextmanager
def shielded() -> Iterator[None]:
    """A signal waits for the end of this context: a child process that is half started says so with a traceback."""
    if _listener is None or _listener.held:
        yield
        return
    listener, _listener.held = _listener, True
    try:
        yield
    finally:
        listener.held = False
    if listener.number and not listener.raised:
        listener.raised = True
        raise Interrupted(listener.number)


@contextlib.contextmanager
def forwarded(send: Callable[[int], None]) -> Iterator[None]:
    """Signals are given to `send` and raise nothing: a child ends by them, and this process when the child has."""
    if _listener is None:
        yield
        return
    _listener.forward = send
    try:
        yield
    finally:
        _listener.forward = None


def share(find_store: Callable[[], Shared | None], end_ranks: Callable[[float], None]) -> None:
    """Let ranks tell each other.

    Args:
        find_store: their store and how many they are, once they have one.
        end_ranks: gives the ranks that this process has started so many seconds to end, and then ends them.
    """
    if _listener:
        _listener.find_store, _listener.end_ranks = find_store, end_ranks


def ignore() -> None:
    """Leave it to others when this process ends: Ctrl-C, `timeout` and SLURM reach a run's child processes too."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _leave(listener: Listener, interrupted: Interrupted) -> None:
    sys.stdout.flush()
    listener.leave(interrupted)


def _forget() -> None:
    """In a forked child: it must not write into its parent's socket, and Ctrl-C is its parent's affair."""
    global _listener
    if _listener is not None:
        _listener = None
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, signal.SIG_DFL)


os.register_at_fork(after_in_child=_forget)
