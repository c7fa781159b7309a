"""Keep the sandboxes of this process: each starts when first needed, and is replaced when it fails."""

import os
import threading
from dataclasses import replace
from functools import cache

from acereason.rewards.code.settings import CodeSettings
from acereason.sandbox import Layer, Limits, Sandbox
from acereason.sandbox.imports import Imports
from acereason.sandbox.prelude import is_enough

_EXAMINER_SECONDS = 2.0
"""Seconds that the examiner may take longer than the program, so that the program's time runs out first."""
_EXAMINER_MEMORY = 4096


class Sandboxes:
    """Sandboxes of programs and of their examiner. Get them from `sandboxes`; hold their lock while using them."""

    def __init__(self, limits: Limits, required: tuple[Layer, ...], packages: tuple[str, ...]) -> None:
        self.lock = threading.RLock()
        self._limits, self._required, self._packages = limits, required, packages
        self._small: Sandbox | None = None
        self._program: Sandbox | None = None
        self._examiner: Sandbox | None = None

    def of(self, *sources: str) -> Sandbox:
        """Return the sandbox where these sources run at the least cost, by themselves: not with test code."""
        # why: a package may import any module, whatever its program names
        if self._packages or not all(is_enough(source) for source in sources):
            return self.program
        if self._small is None:
            self._small = Sandbox(self._limits, self._required, whole=False)
        return self._small

    @property
    def program(self) -> Sandbox:
        """The sandbox where any program runs, with test code too."""
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
        """End the sandboxes; they start again when needed."""
        for sandbox in (self._small, self._program, self._examiner):
            if sandbox:
                sandbox.close()
        self._small = self._program = self._examiner = None


def sandboxes(settings: CodeSettings) -> Sandboxes:
    """Return this process's sandboxes for these settings."""
    # why: a forked process must not share its parent's sandboxes: both would talk over one socket
    return _sandboxes(settings.limits, tuple(settings.min_isolation), tuple(settings.packages), os.getpid())


@cache
def _sandboxes(limits: Limits, required: tuple[Layer, ...], packages: tuple[str, ...], process: int) -> Sandboxes:
    return Sandboxes(limits, required, packages)
