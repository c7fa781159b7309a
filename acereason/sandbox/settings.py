"""Plain data that a sandbox takes and reports, shared by the trainer's side and the zygote's."""

import signal
from dataclasses import dataclass, field
from typing import Literal

from acereason.sandbox.clock import STARVED

Layer = Literal["limits", "processes", "files", "network", "syscalls", "user"]
Mechanism = Literal["namespaces", "landlock", "seccomp"]

LAYERS: dict[Layer, str] = {
    "limits": "CPU, memory, processes, open files and file sizes are bounded",
    "processes": "a killed program takes all its descendants along",
    "files": "no file is seen but Python's own and a fresh temporary folder",
    "network": "no network, this machine's own ports included",
    "syscalls": "calls that only attacks need are refused",
    "user": "programs run as a user who owns nothing",
}
"""The promise of each layer."""

RAISED, OUT_OF_MEMORY, BAD_SYNTAX = 101, 102, 103
"""Exit codes by which a program's process tells that an exception, lack of memory or bad syntax ended it."""

Outcome = Literal[
    "passed", "wrong", "time", "memory", "runtime error", "output limit", "syntax error", "not run", "error"
]


class SandboxError(RuntimeError):
    """The sandbox itself failed, which says nothing about the program."""


@dataclass(frozen=True)
class Limits:
    """Resources that one run of a program may use."""

    seconds: float = 6.0
    """Processor seconds of its processes together; as much again may pass while none of them does anything."""
    memory_mib: int = 1024
    """Address space of each process beyond the interpreter's own, MiB."""
    processes: int = 8
    """Number of processes and threads together."""
    output_mib: int = 16
    """Size of standard output, and of any file, MiB."""
    scratch_mib: int = 64
    """Size of all files together, MiB, where the sandbox can mount a file system of its own."""

    @property
    def longest_seconds(self) -> float:
        """The most seconds that a run may take on the wall clock, where the machine has no core for it."""
        return STARVED * self.seconds


@dataclass
class Run:
    """How a run of a program ended, with its output."""

    exit_code: int | None = None
    """None when a signal ended it."""
    signal: int | None = None
    timed_out: bool = False
    overflowed: bool = False
    """Whether it was stopped for writing more than its output limit."""
    stopped: bool = False
    """Whether it was stopped because its answer was no longer needed."""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mib: float = 0.0
    stdout: bytes = b""
    stderr: str = ""
    """The last 2,000 characters."""
    result: bytes = b""
    """Bytes that it wrote to the result pipe (mode `call`)."""

    @property
    def failure(self) -> Outcome | None:
        """The reason why the run gives no answer; None when it ended by itself, with any exit code of its own."""
        if self.overflowed:
            return "output limit"
        # why: RLIMIT_CPU sends it to a process that the worker's clock has not ended before
        if self.timed_out or self.signal == signal.SIGXCPU:
            return "time"
        if self.signal is not None:
            return "runtime error"
        told: dict[int | None, Outcome] = {
            RAISED: "runtime error",
            OUT_OF_MEMORY: "memory",
            BAD_SYNTAX: "syntax error",
        }
        return told.get(self.exit_code)


@dataclass
class Isolation:
    """The active and the missing layers of a sandbox."""

    active: dict[Layer, list[str]] = field(default_factory=dict)
    """Layer -> the mechanisms that provide it."""
    missing: dict[Layer, str] = field(default_factory=dict)
    """Layer -> why it is missing."""

    def describe(self) -> str:
        """Describe the layers in one line, for logs and `score`'s output."""
        active = "; ".join(f"{layer}: {', '.join(by)}" for layer, by in self.active.items())
        return active + "".join(f"; no {layer} ({why})" for layer, why in self.missing.items())
