"""Time that is a program's own: what limits count, however busy the machine is.

A process is on a core, or ready to run while others have the cores, or it sleeps. Limits count the first, and the last
only where nobody who takes part does anything: then something sleeps, or waits for what never comes. What a process
waits for a core counts nowhere; a bound on the wall clock, far away, ends what a machine starves.
"""

import os
import time
from collections.abc import Iterable

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_TOLD = os.path.exists("/proc/self/schedstat")
"""Whether this kernel tells what a process waits for a core. Otherwise nothing counts as sleep."""
STARVED = 20.0
"""The bound on the wall clock, as a multiple of a limit."""
_PAUSE = 0.02


class Clock:
    """A limit on processor time, and on sleep.

    Args:
        seconds: the limit of each.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.started = time.monotonic()
        self.next_look = self.started + seconds

    def is_over(self, used: float, busy: float, running: int = 1) -> bool:
        """Whether a limit is reached; else sets the next time to look.

        Args:
            used: processor time of what is limited.
            busy: seconds that all who take part were on a core or waited for one.
            running: processes that may use processor time at once.
        """
        now = time.monotonic()
        slept = now - self.started - busy if _TOLD else 0.0
        if used >= self.seconds or slept >= self.seconds or now - self.started >= STARVED * self.seconds:
            return True
        left = min((self.seconds - used) / max(1, running), self.seconds - slept)
        self.next_look = now + max(_PAUSE, left)
        return False


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found, new = [pid], [pid]
    parents = _parents()
    while new:
        new = [child for child, parent in parents.items() if parent in new]
        found += new
    return found


def used(pids: Iterable[int]) -> float:
    """Processor time of processes and of the children that they have waited for, seconds."""
    return sum(sum(map(int, stat[11:15])) for pid in pids if (stat := _stat(pid))) * _TICK


def waited(pids: Iterable[int]) -> float:
    """Seconds that processes were ready to run while others had the cores, over their threads."""
    return sum(_schedule(f"/proc/{pid}/task/{thread}")[1] for pid in pids for thread in _threads(pid))


def scheduled(pid: int | str) -> float:
    """Seconds that the main thread of one process was on a core or waited for one; `thread-self` is this thread."""
    return sum(_schedule(f"/proc/{pid}"))


def _schedule(folder: str) -> tuple[float, float]:
    try:
        with open(f"{folder}/schedstat") as file:
            on_core, waiting, _ = file.read().split()
    except (FileNotFoundError, ProcessLookupError, ValueError):  # it has ended
        return 0.0, 0.0
    return int(on_core) / 1e9, int(waiting) / 1e9


def _threads(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return []


def _parents() -> dict[int, int]:
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (stat := _stat(int(entry))):
            found[int(entry)] = int(stat[1])
    return found


def _stat(pid: int) -> list[str]:
    """What /proc tells of a process after its name; empty when it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().decode(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
