"""Contestants in processes of their own that take turns: one works while the others wait.

Each works through the same number of steps in every round, so that a ratio compares what the machine did within the
same minute, and a median of ratios withstands a neighbour that comes and goes. The first round warms up and is left
out.
"""

import importlib
import multiprocessing
import os
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from statistics import median
from typing import Any

_PAUSE_SECONDS = 0.5
"""Between two turns, until the threads of the one before have stopped spinning."""


@dataclass
class Turn:
    """What a contestant did in one round."""

    seconds: float
    units: float
    """Of work: what the contestant counted."""
    peak_bytes: int
    """Resident memory since its start, at most: its own and its child processes'."""


class Turns:
    """A contestant's side: tell it of every step, and it waits when the turn is over.

    Args:
        pipe: to the parent.
        steps: of a turn.
    """

    def __init__(self, pipe: Connection, steps: int) -> None:
        self.pipe, self.steps = pipe, steps
        self.units = 0.0

    def wait(self) -> None:
        """Until the next turn begins. Call it once before the first step."""
        self.pipe.recv()
        self.left, self.units, self.started = self.steps, 0.0, time.perf_counter()

    def count(self, units: float) -> None:
        """Add to the work of this turn."""
        self.units += units

    def step(self) -> None:
        """A step is done."""
        self.left -= 1
        if self.left == 0:
            seconds = time.perf_counter() - self.started
            self.pipe.send(Turn(seconds, self.units, peak_bytes_of_all(os.getpid())))
            self.wait()


@dataclass
class Contestant:
    """A process and the pipe to it.

    Args:
        function: `module:name`, called in the process as function(turns, *arguments). It takes as many steps as all
            rounds have together, and ends.
        arguments: can be pickled.
    """

    function: str
    arguments: tuple[Any, ...]

    def start(self, name: str, steps: int, folder: Path) -> None:
        """Start the process, with its output in a file."""
        context = multiprocessing.get_context("spawn")
        self.name, self.log = name, folder / f"{name}.log".replace(" ", "_")
        self.pipe, theirs = context.Pipe()
        arguments = (theirs, steps, self.log, self.function, self.arguments)
        self.process: BaseProcess = context.Process(target=_compete, args=arguments)
        self.process.start()
        theirs.close()

    def turn(self) -> Turn:
        """Let it work for one turn."""
        time.sleep(_PAUSE_SECONDS)
        self.pipe.send("go")
        try:
            return self.pipe.recv()
        except EOFError:
            raise RuntimeError(f"{self.name} ended before its turn did:\n{self.log.read_text()[-3000:]}") from None

    def end(self) -> None:
        """After the last turn it waits once more, and then has nothing left to do."""
        self.pipe.send("end")
        self.process.join()


def race(contestants: dict[str, Contestant], rounds: int, steps: int) -> dict[str, list[Turn]]:
    """Each contestant's turns of `steps` steps, `rounds` of them after the first, which warms up."""
    with tempfile.TemporaryDirectory() as folder:
        for name, contestant in contestants.items():
            contestant.start(name, steps, Path(folder))
        turns: dict[str, list[Turn]] = {name: [] for name in contestants}
        for _ in range(1 + rounds):
            for name, contestant in contestants.items():
                turns[name].append(contestant.turn())
        for contestant in contestants.values():
            contestant.end()
    return {name: taken[1:] for name, taken in turns.items()}


def median_ratio(values: list[float], others: list[float]) -> float:
    """The median of value / other, round by round."""
    return median(value / other for value, other in zip(values, others, strict=True))


def _compete(pipe: Connection, steps: int, log: Path, function: str, arguments: tuple[Any, ...]) -> None:
    """The process's life."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    module, name = function.split(":")
    getattr(importlib.import_module(module), name)(Turns(pipe, steps), *arguments)


def peak_bytes(pid: int | str = "self") -> int:
    """The peak of a process's resident memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    lines = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return 1024 * int(lines[0].split()[1]) if lines else 0  # one that has ended holds nothing


def peak_after_reset() -> int:
    """Set the process's peak of resident memory back to what it holds now; bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_bytes()


def peak_bytes_of_all(pid: int) -> int:
    """The peaks of a process and of all that it has started and that still run, added up."""
    children = [
        int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()
    ]
    return peak_bytes(pid) + sum(peak_bytes_of_all(child) for child in children)
