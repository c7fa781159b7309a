"""Limits count a program's own time, so that a verdict does not depend on how busy the machine is.

A process is on a core, or waits for one while others run, or sleeps. Limits count time on a core, and sleep only while
every process that takes part is asleep: then the program sleeps, or waits for something that never comes. Waiting for a
core counts nowhere; a distant bound on the wall clock ends a run that gets no core at all.
"""

import os
import time
from collections.abc import Iterable

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_TOLD = os.path.exists("/proc/self/schedstat")
"""Whether this kernel reports how long a process waits for a core. Where it does not, nothing counts as sleep."""
STARVED = 20.0
"""Bound on the wall clock, as a multiple of a limit."""
_PAUSE = 0.02
_PROC_BYTES = 4096
"""More than such a file takes."""


class Clock:
    """A limit on processor time, and as much again on sleep.

    Args:
        seconds: how much of each is allowed.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.started = time.monotonic()
        self.next_look = self.started + seconds

    def is_over(self, used: float, busy: float, running: int = 1) -> bool:
        """Return whether a limit is reached; else set `next_look`, the time at which to ask again.

        Args:
            used: processor seconds of the limited processes.
            busy: seconds that all processes which take part were on a core or waited for one.
            running: processes that may use processor time at once.
        """
        now = time.monotonic()
        # why: without that report, a wait for a core would
        # look like sleep and end programs on a busy machine
        slept = now - self.started - busy if _TOLD else 0.0
        if used >= self.seconds or slept >= self.seconds or now - self.started >= STARVED * self.seconds:
            return True
        # why: even with every process on a core of its own, no limit can be reached before this
        left = min((self.seconds - used) / max(1, running), self.seconds - slept)
        self.next_look = now + max(_PAUSE, left)
        return False


def family(pid: int) -> list[int]:
    """Return the ids of a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (stat := _stat(int(entry))):
            children.setdefault(int(stat[1]), []).append(int(entry))
    found = [pid]
    for parent in found:
        # why: taken out, since an id that is given anew while /proc is read may close a circle
        found += children.pop(parent, [])
    return found


def used(pids: Iterable[int]) -> float:
    """Return the processor seconds of processes and of the children that they have waited for."""
    # why: two of the four fields are of ended children: a program can't hide its time in short-lived ones
    return sum(sum(map(int, stat[11:15])) for pid in pids if (stat := _stat(pid))) * _TICK


def waited(pids: Iterable[int]) -> float:
    """Return the seconds that processes waited for a core, summed over their threads."""
    return sum(_schedule(f"/proc/{pid}/task/{thread}")[1] for pid in pids for thread in _threads(pid))


def scheduled(pid: int | str) -> float:
    """Return the seconds that a process's main thread was on a core or waited for one; `thread-self` is this thread."""
    return sum(_schedule(f"/proc/{pid}"))


def _schedule(folder: str) -> tuple[float, float]:
    try:
        on_core, waiting, _ = _read(f"{folder}/schedstat").split()
    # why: a process may end between its listing and this look at it
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return 0.0, 0.0
    return int(on_core) / 1e9, int(waiting) / 1e9


def _threads(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return []


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the process's name; nothing when it has ended."""
    try:
        # why: the name may hold spaces and parentheses, so fields are counted from its last one
        return _read(f"/proc/{pid}/stat").decode(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _read(path: str) -> bytes:
    """Return what a short file of /proc holds."""
    # why: without a file object, which would take as long as the rest, and this is done some times for every verdict
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, _PROC_BYTES)
    finally:
        os.close(file)
