"""More busy processes than cores, for tests of what a busy machine must not change."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def busy_machine(times: int = 4) -> Iterator[None]:
    """`times` as many processes that loop as there are cores."""
    loop = [sys.executable, "-S", "-c", "while True: pass"]
    loops = [subprocess.Popen(loop) for _ in range(times * len(os.sched_getaffinity(0)))]
    try:
        yield
    finally:
        for process in loops:
            process.kill()
        for process in loops:
            process.wait()
