"""Signals that ask a verb to end: SIGTERM, SIGINT (Ctrl-C) and SIGUSR1 (SLURM's warning before its time limit).

A verb ends at once: `Interrupted` is raised in its main thread. Where that would spoil something (`hold`), the signal
waits until the code asks for it (`received`).
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

from acereason.processes.failure import Describe
from acereason.processes.listener import GRACE_SECONDS, SIGNALS, Interrupted, Listener, Shared

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
    """Handle signals while the context lasts. A verb that was told to end leaves it by `Interrupted` only. If a rank
    has failed, no rank leaves it: all end inside.

    Args:
        command: the verb's command line.
        alone: whether the process is the verb's alone, so that it may be ended by force.
        describe: returns the exit status for an exception, and the text about it for the user.
    """
    global _listener
    # why: Python handles signals in the main thread only
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _listener = listener = Listener(command, alone, describe)
    listener.start()
    try:
        yield
        listener.end_if_failed()
        # why: the verb is done, and a signal from here on must not make it look interrupted
        ignore()
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
        # why: after a signal an exception is its consequence: another rank has left, or a library has translated it
        caused = Interrupted(listener.number)
        caused.kept = f"it ended with: {next(iter(str(error).splitlines()), type(error).__name__)}"
        _leave(listener, caused)
        raise caused from None
    finally:
        _listener = None
        listener.forget_store()
        # why: a process that is the verb's alone ends now, and the listener watches that it does
        if not alone:
            listener.stop()


def failed(error: Exception) -> None:
    """Tell the other ranks that this one has failed, before it cleans up; they end when it does."""
    if _listener:
        _listener.fail(error)


def received() -> int:
    """Return the number of the signal that the verb has received; 0: none."""
    return _listener.number if _listener else 0


def hold() -> None:
    """Make signals wait from now on until `received` is called, except inside `at_once`."""
    if _listener:
        _listener.held, _listener.deadline = True, math.inf


def leave_in_time() -> None:
    """Force the end of the process in `GRACE_SECONDS` from now, unless it ends before."""
    if _listener:
        _listener.deadline = time.monotonic() + GRACE_SECONDS


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """Let a signal, even one that has come before, end this context by an Interrupted."""
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
    """Make signals wait for the end of this context."""
    # why: a child process that is interrupted while it starts prints a traceback
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
    """Give signals to `send` and raise nothing: a child ends by them, and this process after the child."""
    if _listener is None:
        yield
        return
    _listener.forward = send
    try:
        yield
    finally:
        _listener.forward = None


def share(find_store: Callable[[], Shared | None], end_ranks: Callable[[float], None]) -> None:
    """Let ranks tell each other of signals.

    Args:
        find_store: returns their store and their number, or None before there is a store.
        end_ranks: gives the ranks that this process has started so many seconds to end, and then kills them.
    """
    if _listener:
        _listener.find_store, _listener.end_ranks = find_store, end_ranks


def ignore() -> None:
    """Ignore the signals that end a verb, in a child process whose parent decides when it ends."""
    # why: Ctrl-C, `timeout` and SLURM reach a run's child processes too
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _leave(listener: Listener, interrupted: Interrupted) -> None:
    sys.stdout.flush()
    listener.leave(interrupted)


def _forget() -> None:
    """Reset the signal handling in a forked child."""
    global _listener
    if _listener is not None:
        _listener = None
        # why: a child must not write into its parent's socket
        signal.set_wakeup_fd(-1)
        # why: Ctrl-C reaches the child too, but its parent decides when it ends
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, signal.SIG_DFL)


os.register_at_fork(after_in_child=_forget)
