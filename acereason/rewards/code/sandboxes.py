"""Keep the sandboxes of this process: each starts when first needed, and is replaced when it fails."""

import os
import threading
from dataclasses import replace
from functools import cache

from acereason.rewards.code.settings import CodeSettings
from acereason.sandbox import Layer, Limits, Sandbox
from acereason.sandbox.imports import Imports

_EXAMINER_SECONDS = 2.0
"""Seconds that the examiner may take longer than the program, so that the program's time runs out first."""
_EXAMINER_MEMORY = 4096


class Sandboxes:
    """Two sandboxes: a program's, and its examiner's. Get them from `sandboxes`; hold their lock while using them."""

    def __init__(self, limits: Limits, required: tuple[Layer, ...], packages: tuple[str, ...]) -> None:
        self.lock = threading.RLock()
        self._limits, self._required, self._packages = limits, required, packages
        self._program: Sandbox | None = None
        self._examiner: Sandbox | None = None

    @property
    def program(self) -> Sandbox:
        """The sandbox where programs run."""
        if self._program is None:
            self._program = Sandbox(self._limits, self._required, imports=Imports.of(self._packages))
        return self._program

    @property
    def examiner(self) -> Sandbox:
        """The sandbox where test code runs, which may import installed packages (NumPy, pytest)."""
        if self._examiner is None:
            seconds = self._limits.seconds + _EXAMINER_SECONDS
            limits = replace(self._limits, seconds=seconds, memory_mib=_EXAMINER_MEMORY)
            self._examiner = Sandbox(limits, self._required, imports=Imports.all(self._packages))
        return self._examiner

    def close(self) -> None:
        """End both sandboxes; they start again when needed."""
        for sandbox in (self._program, self._examiner):
            if sandbox:
                sandbox.close()
        self._program = self._examiner = None


def sandboxes(settings: CodeSettings) -> Sandboxes:
    """Return this process's sandboxes for these settings."""
    # why: a forked process must not share its parent's sandboxes: both would talk over one socket
    return _sandboxes(settings.limits, tuple(settings.min_isolation), tuple(settings.packages), os.getpid())


@cache
def _sandboxes(limits: Limits, required: tuple[Layer, ...], packages: tuple[str, ...], process: int) -> Sandboxes:
    return Sandboxes(limits, required, packages)
