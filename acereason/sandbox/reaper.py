"""End every process of a program with its run, whatever it forked, daemonized or ignores."""

import contextlib
import os
import signal
import time

from acereason.sandbox import kernel
from acereason.sandbox.clock import family

_PAUSE = 0.0005
"""Seconds between two looks while killed processes die."""


def sweep(namespace: bool, uid: int | None) -> None:
    """Kill and reap every descendant of this process: in a pid namespace all but itself, else all processes of the user
    `uid`, else all that have it as an ancestor."""
    # why: again and again, since a process may fork while the others are being killed
    while _reap():
        if namespace:
            _kill_everything()
        elif uid:
            _kill_user(uid)
        else:
            _kill_descendants()
        time.sleep(_PAUSE)


def _reap() -> bool:
    """Reap dead children; return whether any child is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return False
    return True


def _kill_everything() -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)


def _kill_user(uid: int) -> None:
    # why: from a process of that user, kill(-1) reaches all of its processes at once, forking ones included
    helper = os.fork()
    if helper == 0:
        try:
            kernel.become(uid)
            _kill_everything()
        finally:
            os._exit(0)
    os.waitpid(helper, 0)


def _kill_descendants() -> None:
    for pid in family(os.getpid())[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
