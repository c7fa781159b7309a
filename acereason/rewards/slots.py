"""The sandboxes of this process: started when first needed, kept, and replaced when one fails."""

import importlib.util
import os
import threading
from dataclasses import replace
from functools import cache
from pathlib import Path

from acereason.rewards.sandbox import Layer, Limits, Sandbox

_EXAMINER_SECONDS = 2.0
"""The examiner outlives the program by this, so that the program's time is what runs out."""
_EXAMINER_MEMORY = 4096


class Slot:
    """One program at a time, and the examiner that may question it. Start with `slot`; use under its lock."""

    def __init__(self, limits: Limits, required: tuple[Layer, ...]) -> None:
        self.lock = threading.RLock()
        self._limits, self._required = limits, required
        self._program: Sandbox | None = None
        self._examiner: Sandbox | None = None

    @property
    def program(self) -> Sandbox:
        """Where programs run."""
        if self._program is None:
            self._program = Sandbox(self._limits, self._required)
        return self._program

    @property
    def examiner(self) -> Sandbox:
        """Where test code runs, which may import what is installed here (NumPy, pytest)."""
        if self._examiner is None:
            seconds = self._limits.seconds + _EXAMINER_SECONDS
            limits = replace(self._limits, seconds=seconds, memory_mib=_EXAMINER_MEMORY)
            self._examiner = Sandbox(limits, self._required, extra=_site_packages())
        return self._examiner

    def close(self) -> None:
        """End both; they start again when needed."""
        for sandbox in (self._program, self._examiner):
            if sandbox:
                sandbox.close()
        self._program = self._examiner = None


def slot(limits: Limits, required: tuple[Layer, ...]) -> Slot:
    """This process's slot for these limits."""
    return _slot(limits, required, os.getpid())


@cache
def _slot(limits: Limits, required: tuple[Layer, ...], process: int) -> Slot:
    return Slot(limits, required)


def _site_packages() -> list[str]:
    """Where the packages lie that published tests import."""
    found = [importlib.util.find_spec(name) for name in ("numpy", "pytest")]
    return sorted({str(Path(spec.origin).parents[1]) for spec in found if spec and spec.origin})
