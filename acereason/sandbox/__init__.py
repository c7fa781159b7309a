"""Run untrusted Python programs, each run in a process of its own.

`Sandbox` starts a zygote (`zygote.py`): a bare interpreter, apart from the caller's, with the standard library loaded.
For each run it forks a process, gives up in it all rights that a program must not have (`layers.py`), and runs the
program (`program.py`); when the run ends, everything that the program started is killed and its files are gone.
Expected outputs never enter that process: they are compared by the caller, or by an examiner in a sandbox of its own
(`examiner.py`). README.md beside this file says which layers there are, what provides them, and what is not covered.
"""

from acereason.sandbox.client import Sandbox
from acereason.sandbox.examination import TestOutcome, examine
from acereason.sandbox.imports import Imports
from acereason.sandbox.job import Job
from acereason.sandbox.settings import Isolation, Layer, Limits, Outcome, Run, SandboxError

__all__ = [
    "Imports", "Isolation", "Job", "Layer", "Limits", "Outcome", "Run", "Sandbox", "SandboxError",
    "TestOutcome", "examine",
]  # fmt: skip
