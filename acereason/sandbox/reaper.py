"""End every process of a program with its run, whatever it forked, daemonized or ignores."""

import os
import signal
import time

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
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        return


def _kill_user(uid: int) -> None:
    # why: from a process of that user, kill(-1) reaches all of its processes at once, forking ones included
    helper = os.fork()
    if helper == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            _kill_everything()
        finally:
            os._exit(0)
    os.waitpid(helper, 0)


def _kill_descendants() -> None:
    parents = _parents()
    doomed: set[int] = set()
    found = {os.getpid()}
    while found:
        doomed |= found
        found = {pid for pid, parent in parents.items() if parent in doomed} - doomed
    for pid in doomed - {os.getpid()}:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _parents() -> dict[int, int]:
    """Return process id -> its parent's, for all processes that /proc shows."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as stat:
                    parents[int(entry)] = int(stat.read().rpartition(b")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    return parents
