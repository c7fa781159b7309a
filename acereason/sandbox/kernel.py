"""Make the Linux calls that Python 3.11 has no function for. Each raises OSError as the `os` functions do."""

import ctypes
import os
from collections.abc import Callable

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
# why: holds the interpreter's lock during a call, which the child of a fork must own
_held = ctypes.PyDLL(None, use_errno=True)
# why: made here, once: making a type of array costs a forked process, which copies each page that it touches, 0.2 ms
_CAPABILITY_HEADER = (ctypes.c_uint32 * 2)(0x20080522, 0)
_NO_CAPABILITIES = (ctypes.c_uint32 * 6)()


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def prepared(number: int, *kinds: type) -> Callable[..., int]:
    """Return a system call with arguments of these ctypes, as a function that does little each time."""
    # why by index: each function that comes so has types of its own
    function = _libc["syscall"]
    function.restype, function.argtypes = ctypes.c_long, [ctypes.c_long, *kinds]
    return lambda *arguments: _check(function(number, *arguments), f"system call {number}")


def syscall(number: int, *arguments: "int | ctypes.Array | ctypes._CData | None") -> int:
    """Make a raw system call; integers are passed as longs, structures by reference."""
    passed = [ctypes.c_long(value) if isinstance(value, int) else value and ctypes.byref(value) for value in arguments]
    return _check(_libc.syscall(ctypes.c_long(number), *passed), f"system call {number}")


def fork() -> int:
    """Fork as `os.fork` does, in a process of one thread, without what modules have registered to run after a fork.

    Those functions reset locks, which only other threads could hold, and seed `random`, which is the caller's to do.
    """
    # why: they touch a hundred pages that the kernel then copies, a fifth of a short program's time
    return _check(_held.fork(), "fork")


def unshare(flags: int) -> None:
    """Leave the namespaces named by CLONE_NEW* flags for new ones; a new pid namespace begins with the next child."""
    _check(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system, by mount(2)."""
    encoded = [value.encode() or None for value in (source, target, kind)]
    _check(
        _libc.mount(*encoded, ctypes.c_ulong(flags), options.encode() or None), f"mount {kind or source} on {target}"
    )


def unmount(target: str) -> None:
    """Unmount a file system, by umount2(2): it is detached at once, and gone with its last user."""
    _check(_libc.umount2(target.encode(), MNT_DETACH), f"unmount {target}")


def _prctl(option: int, value: int) -> None:
    _check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl {option}")


def die_with_parent(signal: int) -> None:
    """Have the kernel send this signal to the process when the parent thread ends."""
    _prctl(_PR_SET_PDEATHSIG, signal)


def set_dumpable(dumpable: bool) -> None:
    """Set whether processes of the same user may read this one's memory and /proc entry."""
    _prctl(_PR_SET_DUMPABLE, int(dumpable))


def become_subreaper() -> None:
    """Adopt orphaned descendants instead of leaving them to init."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def no_new_privileges() -> None:
    """Keep this process and its children from ever gaining rights by a set-user-id program or a file's capabilities."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def become(uid: int) -> None:
    """Become this user and group, for good."""
    # why: in this order: a process that is no longer root can't give up its groups
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def drop_capabilities() -> None:
    """Give up every capability; with `no_new_privileges` for good."""
    _check(_libc.capset(ctypes.byref(_CAPABILITY_HEADER), ctypes.byref(_NO_CAPABILITIES)), "capset")
