"""Settings for how programs are run and judged."""

import importlib.util
from dataclasses import dataclass, field
from typing import Literal

from acereason.sandbox import Layer, Limits

Comparator = Literal["strict", "livecodebench"]


@dataclass
class CodeSettings:
    """Settings for how programs are run and judged."""

    seconds: float = 6.0
    """Processor seconds for each test, however busy the machine is; a program may sleep for as long besides."""
    memory_mib: int = 1024
    """Memory of each process of a program, MiB, beyond the interpreter's own."""
    processes: int = 8
    """Processes and threads that a program may have at once."""
    output_mib: int = 16
    """Output that a program may print in one test, MiB."""
    stop_at_first_failure: bool = True
    """Leave out the tests after a failed one: the reward is 0 either way. Evaluation may want every outcome."""
    comparator: Comparator = "strict"
    """strict: for training. livecodebench: that benchmark's own rules, for scores that compare with published ones."""
    forgeable: Literal["refuse", "allow"] = "refuse"
    """Tests that can only run in the program's own process, where it may forge a pass: refuse makes them bad rows,
    allow runs them there."""
    packages: list[str] = field(default_factory=list)
    """Packages, by import name, that programs may use besides the standard library, read only: [numpy] as LiveCodeBench
    has it. They must be installed here; tests may import every installed package."""
    min_isolation: list[Layer] = field(default_factory=lambda: ["limits", "processes", "files", "network", "syscalls"])
    """Layers of the sandbox that must be active: a missing one is an error. Others only give a warning."""

    def __post_init__(self) -> None:
        for name in self.packages:
            if not name.isidentifier() or importlib.util.find_spec(name) is None:
                raise ValueError(
                    f"rewards.code.packages: {name} is not installed here; pip install it, or leave it out"
                )

    @property
    def limits(self) -> Limits:
        """The limits of one test's run."""
        return Limits(self.seconds, self.memory_mib, self.processes, self.output_mib)
