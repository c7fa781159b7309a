"""Descendants of a process, and an end that leaves none of them."""

import contextlib
import os
import signal
from typing import NoReturn


def descendants(parent: int) -> list[int]:
    """Return the ids of all descendants of a process; none without /proc."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else []:
        # why: entries of /proc that are no processes have no number, and a process may end before it is read
        with contextlib.suppress(OSError, ValueError), open(f"/proc/{int(name)}/stat") as file:
            # why: split behind the last bracket: a program's name, in brackets, may hold blanks
            children.setdefault(int(file.read().rpartition(")")[2].split()[1]), []).append(int(name))
    found = [parent]
    for pid in found:
        found += children.get(pid, [])
    return found[1:]


def end_with_descendants(status: int) -> NoReturn:
    """Kill all descendants of this process and end it at once with this exit status."""
    for child in descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    # why: not sys.exit, which in any thread but the main one would end that thread alone
    os._exit(status)
