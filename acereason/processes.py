"""What the system knows of processes."""

import contextlib
import os
import signal
from typing import NoReturn


def descendants(parent: int) -> list[int]:
    """Every process below this one; none where there is no /proc."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else []:
        with contextlib.suppress(OSError, ValueError), open(f"/proc/{int(name)}/stat") as file:
            children.setdefault(int(file.read().rpartition(")")[2].split()[1]), []).append(int(name))
    found = [parent]
    for pid in found:
        found += children.get(pid, [])
    return found[1:]


def end_with_descendants(status: int) -> NoReturn:
    """End this process by force, and every one below it."""
    for child in descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    os._exit(status)
