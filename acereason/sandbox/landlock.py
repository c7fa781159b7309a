"""Use Landlock (kernel 5.13 on): a process gives up the files, TCP ports, signals and sockets that it doesn't name."""

import ctypes
import fcntl
import os
from collections.abc import Iterable

from acereason.sandbox import kernel

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # the same numbers on every architecture
_VERSION_FLAG = 1
_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
_FIRST_RIGHTS = (1 << 13) - 1
_RIGHTS_BY_ABI = {1: _FIRST_RIGHTS, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}  # refer, truncate, ioctl on devices
_TCP = 3  # bind and connect, ABI 4
_SCOPES = 3  # abstract unix sockets and signals, ABI 6
_FIRST_DESCRIPTOR = 128
_RIGHTS_ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | 1 << 14 | 1 << 15


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("tcp", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("rights", ctypes.c_uint64), ("fd", ctypes.c_int32)]


_add_rule = kernel.prepared(_ADD_RULE, ctypes.c_int, ctypes.c_int, ctypes.POINTER(_PathBeneath), ctypes.c_uint32)


def abi() -> int:
    """Return the kernel's Landlock version; 0 where it has none or it is switched off."""
    try:
        return kernel.syscall(_CREATE, None, 0, _VERSION_FLAG)
    except OSError:
        return 0


def rights(version: int) -> int:
    """Return every file right that this ABI knows, as a bit mask."""
    # why: no right is in two versions, so that the sum has each once
    return sum(added for since, added in _RIGHTS_BY_ABI.items() if version >= since)


class Rules:
    """The files that programs keep, opened once in the zygote, so that each run's process only names them.

    Args:
        readable: directories and files to read; missing ones are left out.
        writable: directories and files in which everything but executing is allowed.
    """

    def __init__(self, readable: Iterable[str], writable: Iterable[str]) -> None:
        self._version = abi()
        every = rights(self._version)
        tcp, scopes = _TCP if self._version >= 4 else 0, _SCOPES if self._version >= 6 else 0
        self._handled = _Ruleset(every, tcp, scopes)
        # why: a kernel refuses a structure with more fields than its ABI knows
        self._size = 8 if self._version < 4 else 16 if self._version < 6 else 24
        self._reading, self._writing = READ_FILE | READ_DIR, every & ~EXECUTE
        found = [_rule(path, self._reading) for path in readable] + [_rule(path, self._writing) for path in writable]
        self._rules = [rule for rule in found if rule]
        for rule in self._rules:
            low, rule.fd = rule.fd, fcntl.fcntl(rule.fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_DESCRIPTOR)
            # why: a run's process takes the low ones for its streams
            os.close(low)

    def confine(self, readable: str, writable: str) -> None:
        """Give up all files but these and two more trees, for good. Nothing may be executed; needs
        `no_new_privileges` before. The rules' own descriptors stay open.
        """
        ruleset = kernel.syscall(_CREATE, self._handled, self._size, 0)
        own = [rule for rule in (_rule(readable, self._reading), _rule(writable, self._writing)) if rule]
        for rule in self._rules + own:
            _add_rule(ruleset, _PATH_BENEATH, rule, 0)
        kernel.syscall(_RESTRICT, ruleset, 0)
        for fd in (ruleset, *(rule.fd for rule in own)):
            os.close(fd)


def _rule(path: str, granted: int) -> _PathBeneath | None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    # why: the kernel refuses a rule that grants rights of directories on a file
    return _PathBeneath(granted if os.path.isdir(path) else granted & _RIGHTS_ON_FILES, fd)
