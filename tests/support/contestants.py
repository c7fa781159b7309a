"""Contestants for the tests of races; they import next to nothing, so that they start at once."""

import mmap
import time
from pathlib import Path

from benchmarks.race import Turns


def walk(turns: Turns, steps: int, diary: str, name: str, units: float) -> None:
    """Write a line for each step, which takes a hundredth of a second."""
    turns.wait()
    for _ in range(steps):
        time.sleep(0.01)
        with Path(diary).open("a") as lines:
            lines.write(f"{name}\n")
        turns.count(units)
        turns.step()


def fail(turns: Turns) -> None:
    """Start, and break."""
    turns.wait()
    raise ValueError("out of breath")


def grow(turns: Turns, mebibytes: int) -> None:
    """Touch so much memory, and give it back."""
    turns.wait()
    with mmap.mmap(-1, mebibytes * 2**20) as memory:
        memory.write(b"x" * len(memory))
    turns.step()
    turns.step()
