"""Refuse system calls that a program which only computes never needs, by a seccomp filter.

Numbers are written out for x86-64 and arm64, from the kernel's tables; on other machines there is no filter. Refused
calls fail with EPERM, so that a program can go on; calls newer than the tables fail with ENOSYS, as on an older kernel.
"""

import ctypes
import errno
import os
import struct

from acereason.sandbox import kernel

_ARCHES = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}  # column below, audit arch, seccomp(2)
# why: calls after mseal have not been looked at; one of them might lead out of the sandbox
_NEWEST = 462

REFUSED = {
    # running other programs
    "execve": (59, 221), "execveat": (322, 281),
    # the network beyond socketpairs
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202),
    "accept4": (288, 242),
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "process_madvise": (440, 440), "kcmp": (312, 272),
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "process_mrelease": (448, 448),
    "setpriority": (141, 140), "ioprio_set": (251, 30), "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274), "sched_setparam": (142, 118),
    # memory that outlives a process
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "semget": (64, 190), "semop": (65, 193),
    "semctl": (66, 191), "semtimedop": (220, 192), "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188),
    "msgctl": (71, 187), "mq_open": (240, 180), "mq_unlink": (241, 181), "add_key": (248, 217),
    "request_key": (249, 218), "keyctl": (250, 219),
    # namespaces, mounts and roots
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "statmount": (457, 457), "listmount": (458, 458), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89),
    # corners of the kernel with a history
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "vmsplice": (278, 75),
    "memfd_secret": (447, 447), "fanotify_init": (300, 262), "lookup_dcookie": (212, 18), "personality": (135, 92),
    "seccomp": (317, 277), "landlock_create_ruleset": (444, 444), "set_mempolicy": (238, 237), "mbind": (237, 235),
    "move_pages": (279, 239), "migrate_pages": (256, 238), "memfd_create": (319, 279),
    # the machine
    "reboot": (169, 142), "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "syslog": (103, 116), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171), "sethostname": (170, 161),
    "setdomainname": (171, 162), "vhangup": (153, 58), "nfsservctl": (180, 42),
}  # fmt: skip
"""Name -> number on (x86-64, arm64)."""

REFUSED_X86 = {"iopl": 172, "ioperm": 173, "modify_ldt": 154, "uselib": 134, "ustat": 136, "_sysctl": 156}
"""Calls that only x86-64 has."""

_CLONE, _CLONE3, _KILL, _TGKILL, _PRLIMIT = (56, 220), (435, 435), (62, 129), (234, 131), (302, 261)
_NEW_NAMESPACE = 0x7E020000  # every CLONE_NEW* flag that clone(2) takes

_LOAD, _JEQ, _JGE, _JSET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_FEW = 4
"""Numbers that are compared one after the other."""
_NUMBER, _ARCH, _ARGUMENT = 0, 4, 16
# why: beyond every id that the kernel gives, and no other four bytes of the filter
_ANY_PID = 0x5AFEB0C5


def supported() -> bool:
    """Return whether there is a table of calls for this machine."""
    return os.uname().machine in _ARCHES


def program(machine: str, pid: int) -> bytes:
    """Return the filter for a process of this id: BPF instructions, 8 bytes each."""
    column, arch, _ = _ARCHES[machine]
    numbers = [pair[column] for pair in REFUSED.values()] + (list(REFUSED_X86.values()) if column == 0 else [])
    code = [
        _instruction(_LOAD, _ARCH),
        _instruction(_JEQ, arch, 1, 0),
        # why: calls of another architecture (32-bit ones) have other numbers, which no table here covers
        _instruction(_RETURN, _KILL_PROCESS),
        _instruction(_LOAD, _NUMBER),
        # why: its flags lie in memory, out of a filter's sight; without it libc falls back to clone
        *_refuse(_CLONE3[column], errno.ENOSYS),
        # why: also ends x32 calls, which are numbered from 2**30
        _instruction(_JGE, _NEWEST + 1, 0, 1),
        _instruction(_RETURN, _ERRNO | errno.ENOSYS),
    ]
    code += _only_if(_CLONE[column], _instruction(_JSET, _NEW_NAMESPACE, 1, 0))
    # why: 0 is the process group, and since setsid only the program's own processes are in it
    code += _only_own(_KILL[column], [pid, 0])
    code += _only_own(_TGKILL[column], [pid])
    code += _only_own(_PRLIMIT[column], [pid, 0])
    return b"".join([*code, *_refuse_all(sorted(numbers))])


class Filter:
    """The filter of this machine, made once, in which each process puts its id."""

    def __init__(self) -> None:
        machine = os.uname().machine
        self._call = _ARCHES[machine][2]
        self._code = program(machine, _ANY_PID)

    def of(self, pid: int) -> bytes:
        """Return the filter for a process of this id, as `program` does."""
        return self._code.replace(struct.pack("=I", _ANY_PID), struct.pack("=I", pid))

    def apply(self) -> None:
        """Put the filter on this process and all that it will ever start; needs `no_new_privileges` before."""
        code = self.of(os.getpid())
        filters = _Filters(len(code) // 8, code)
        kernel.syscall(self._call, 1, 0, filters)  # SECCOMP_SET_MODE_FILTER


class _Filters(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def _instruction(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", operation, if_true, if_false, value)


def _refuse(number: int, error: int) -> list[bytes]:
    return [_instruction(_JEQ, number, 0, 1), _instruction(_RETURN, _ERRNO | error)]


def _refuse_all(numbers: list[int]) -> list[bytes]:
    """Refuse the calls of these ascending numbers, and allow all others: the last part of a filter."""
    # why halves: the kernel tries a new filter on every number, which for a long list takes it longer than all the rest
    if len(numbers) > _FEW:
        middle = len(numbers) // 2
        below, above = _refuse_all(numbers[:middle]), _refuse_all(numbers[middle:])
        return [_instruction(_JGE, numbers[middle], len(below), 0), *below, *above]
    refused = [_instruction(_JEQ, number, len(numbers) - index, 0) for index, number in enumerate(numbers)]
    return [*refused, _instruction(_RETURN, _ALLOW), _instruction(_RETURN, _ERRNO | errno.EPERM)]


def _only_if(number: int, bad: bytes) -> list[bytes]:
    """Refuse a call whose first argument meets the condition `bad` (jump over one instruction when it does)."""
    return [
        _instruction(_JEQ, number, 0, 4),
        _instruction(_LOAD, _ARGUMENT),
        bad,
        _instruction(_RETURN, _ALLOW),
        _instruction(_RETURN, _ERRNO | errno.EPERM),
    ]


def _only_own(number: int, allowed: list[int]) -> list[bytes]:
    """Refuse a call whose first argument is none of the allowed process ids."""
    checks = [_instruction(_JEQ, pid, len(allowed) - index, 0) for index, pid in enumerate(allowed)]
    return [
        _instruction(_JEQ, number, 0, len(checks) + 3),
        _instruction(_LOAD, _ARGUMENT),
        *checks,
        _instruction(_RETURN, _ERRNO | errno.EPERM),
        _instruction(_RETURN, _ALLOW),
    ]
