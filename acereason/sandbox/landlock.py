"""Use Landlock (kernel 5.13 on): a process gives up the files, TCP ports, signals and sockets that it doesn't name."""

import ctypes
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
_RIGHTS_ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | 1 << 14 | 1 << 15


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("tcp", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("rights", ctypes.c_uint64), ("fd", ctypes.c_int32)]


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


def confine(readable: Iterable[str], writable: Iterable[str]) -> None:
    """Give up all files but these trees, for good. Nothing may be executed; needs `no_new_privileges` before.

    Args:
        readable: directories and files to read; missing ones are left out.
        writable: directories and files in which everything but executing is allowed.
    """
    version = abi()
    every = rights(version)
    ruleset = _Ruleset(every, _TCP if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    # why: a kernel refuses a structure with more fields than its ABI knows
    size = 8 if version < 4 else 16 if version < 6 else 24
    fd = kernel.syscall(_CREATE, ruleset, size, 0)
    for paths, granted in ((readable, READ_FILE | READ_DIR), (writable, every & ~EXECUTE)):
        for path in paths:
            _allow(fd, path, granted)
    kernel.syscall(_RESTRICT, fd, 0)
    os.close(fd)


def _allow(ruleset: int, path: str, granted: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not os.path.isdir(path):
        # why: the kernel refuses a rule that grants rights of directories on a file
        granted &= _RIGHTS_ON_FILES
    kernel.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, _PathBeneath(granted, fd), 0)
    os.close(fd)
