"""Set up isolation in the zygote: once at its start, around every run, and in each program's process."""

import os
import resource
import sys
from pathlib import Path

from acereason.sandbox import kernel, landlock, seccomp
from acereason.sandbox.namespaces import DEVICES, enter_namespaces, enter_new_root
from acereason.sandbox.settings import Isolation, Layer, Limits, Mechanism

_FILES = ["/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo"]
# why: the kernel leaves 128 MiB below the stack free; a deeper one could run into mapped memory
_STACK = 120 * 2**20
_DESCRIPTORS = 4096
"""A number beyond every descriptor of the zygote."""


class Layers:
    """The wanted mechanisms, as far as this machine offers them.

    Args:
        limits: the limits of each run.
        uid: the user and group that programs become; None keeps the caller's (who isn't root).
        wanted: mechanisms to use where the machine has them.
        extra: directories that programs may read besides Python's own.
    """

    def __init__(self, limits: Limits, uid: int | None, wanted: set[Mechanism], extra: list[str]) -> None:
        self.limits, self.uid = limits, uid
        self.landlock = "landlock" in wanted and landlock.abi() > 0
        self.seccomp = "seccomp" in wanted and seccomp.supported()
        self.namespaces = "namespaces" in wanted and enter_namespaces()
        self.extra = extra
        self.scratch = ""
        self._base = ""
        self._untouched: tuple[int, int] | None = None

    def prepare(self) -> None:
        """Set up the zygote, once, after everything is imported."""
        # why: without a pid namespace, orphans of a program
        # must become children of the zygote, which kills them
        if not self.namespaces:
            kernel.become_subreaper()
        # why: programs of the same user could otherwise read the zygote's memory
        kernel.set_dumpable(False)
        self.readable = _readable(self.extra)
        if self.namespaces:
            enter_new_root(self.readable)
        self._own_memory = _own_address_space()
        self._base = "/" if self.namespaces else _folder()
        # why: only its owner may enter a folder of mkdtemp, and programs may run as another user
        os.chmod(self._base, 0o755)
        self.scratch = os.path.join(self._base, "scratch")
        self._limits = self._limits_of_a_program()
        self._rules = landlock.Rules(self.readable, DEVICES) if self.landlock else None
        self._filter = seccomp.Filter() if self.seccomp else None

    def isolation(self) -> Isolation:
        """Return the active layers with their mechanisms, and the missing ones with the reason."""
        by: dict[Layer, list[str]] = {
            "limits": ["rlimits", "wall clock"],
            "processes": ["pid namespace"] if self.namespaces else ["kill by user"] if self.uid else ["subreaper"],
            "files": ["mount namespace"] * self.namespaces + ["Landlock"] * self.landlock,
            "network": ["network namespace"] * self.namespaces + ["seccomp"] * self.seccomp,
            "syscalls": ["seccomp"] * self.seccomp,
            "user": [f"uid {self.uid}"] if self.uid else [],
        }
        why: dict[Layer, str] = {
            "files": "neither namespaces nor Landlock: programs read and write whatever their user may",
            "network": "neither namespaces nor seccomp: programs reach the network",
            "syscalls": "no seccomp filter for this machine",
            "user": f"programs run as uid {os.getuid()}, the trainer's own user; only root can give them another",
        }
        return Isolation(
            {layer: names for layer, names in by.items() if names}, {layer: why[layer] for layer in by if not by[layer]}
        )

    def open_scratch(self) -> None:
        """Provide an empty scratch folder, before each run."""
        # why: the last program left the folder as it was, so it serves again without a new mount
        if self._untouched:
            return
        os.mkdir(self.scratch, 0o700)
        if self.namespaces:
            # why: an empty file has no size, but takes memory of the kernel: their number is limited, too
            size = f"size={self.limits.scratch_mib}m,nr_inodes=4096,mode=700"
            kernel.mount("scratch", self.scratch, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, size)
        if self.uid:
            os.chown(self.scratch, self.uid, self.uid)
        self._untouched = _state_of(self.scratch)

    def clean_scratch(self) -> None:
        """Remove the scratch folder if the program touched it, after each run and the death of its processes."""
        # why: the change time tells of files that came and went;
        # it is coarse, so the listing is looked at, too
        if _state_of(self.scratch) != self._untouched or os.listdir(self.scratch):
            self._remove_scratch()

    def close(self) -> None:
        """Remove the folders, at the end of the zygote."""
        if self._untouched:
            self._remove_scratch()
        if self._base not in ("", "/"):
            os.rmdir(self._base)

    def confine(self, first_unused: int) -> None:
        """Confine a program's process, for good; descriptors from `first_unused` on are closed."""
        os.setsid()
        self._limit()
        if self.uid:
            kernel.become(self.uid)
        kernel.drop_capabilities()
        # why: otherwise /proc/self belongs to root, and the program can't open /dev/stdin
        kernel.set_dumpable(True)
        # why: after the change of user, which makes the kernel forget this signal
        kernel.die_with_parent(9)
        _be_first_when_memory_ends()
        os.chdir(self.scratch)
        os.umask(0o077)
        # why: without it, the kernel refuses Landlock and seccomp to a process that is not root
        kernel.no_new_privileges()
        if self._rules:
            self._rules.confine("/proc/self", self.scratch)
        # why: the rules' descriptors are among them: only through its own can a program reach anything
        os.closerange(first_unused, _DESCRIPTORS)
        if self._filter:
            # why: last: the filter refuses calls that the steps above make
            self._filter.apply()

    def _remove_scratch(self) -> None:
        self._untouched = None
        if self.namespaces:
            kernel.unmount(self.scratch)
        try:
            os.rmdir(self.scratch)
        except OSError:
            # why here: only without namespaces, and every fork pays for what is loaded
            import subprocess

            # why: a program may leave millions of files, or
            # folders without any rights; these two cope with both
            subprocess.run(["/bin/chmod", "-R", "u+rwx", self.scratch], stderr=subprocess.DEVNULL)
            subprocess.run(["/bin/rm", "-rf", self.scratch], check=True)

    def _limit(self) -> None:
        for kind, value in self._limits:
            resource.setrlimit(kind, value)
        # why: RLIMIT_NPROC counts all of a user's threads;
        # a namespace has launcher and zygote besides the program
        others = 0 if self.uid else 2 if self.namespaces else _tasks_of_user()
        most = _bounded(resource.RLIMIT_NPROC, self.limits.processes + others)
        resource.setrlimit(resource.RLIMIT_NPROC, most)

    def _limits_of_a_program(self) -> list[tuple[int, tuple[int, int]]]:
        """Return (kind, limit) of those that are the same in every run, as far as this process may set them."""
        hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
        stack = _STACK if hard == resource.RLIM_INFINITY else min(_STACK, hard)
        wanted = {
            resource.RLIMIT_AS: self.limits.memory_mib * 2**20 + self._own_memory,
            # why: 2 seconds more: the worker's clock, which counts
            # all processes together, should end the run first
            resource.RLIMIT_CPU: int(self.limits.seconds) + 2,
            resource.RLIMIT_FSIZE: self.limits.output_mib * 2**20,
            resource.RLIMIT_NOFILE: 64,
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_MEMLOCK: 0,
            resource.RLIMIT_MSGQUEUE: 0,
        }
        # why: judges of programming contests allow deep recursion, which takes C stack
        return [(resource.RLIMIT_STACK, (stack, hard)), *((kind, _bounded(kind, wanted[kind])) for kind in wanted)]


def _bounded(kind: int, value: int) -> tuple[int, int]:
    """Return a limit as `setrlimit` takes it."""
    hard = resource.getrlimit(kind)[1]
    # why: an ordinary user can't raise a hard limit
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    return value, value


def _be_first_when_memory_ends() -> None:
    """Have the kernel kill this process rather than the trainer when the machine runs out of memory."""
    # why: without a file object or a context, which would cost more than all that is done here
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(fd, b"1000")
        os.close(fd)
    except OSError:
        pass


def _readable(extra: list[str]) -> list[str]:
    """Return Python's own files and its loaded libraries: outermost directories only, symlinks resolved."""
    maps = [line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()]
    libraries = {os.path.dirname(name) for name in maps if ".so" in name}
    # why: not by sysconfig, which loads a table of everything that Python was built with
    paths = libraries | {os.path.dirname(os.__file__), *_FILES, *extra}
    found = sorted({os.path.realpath(path) for path in paths if os.path.exists(path)})
    return [path for path in found if not any(path.startswith(other + "/") for other in found)]


def _folder() -> str:
    """Return a new folder of this process's own."""
    # why here: only without namespaces, and every fork pays for what is loaded
    import tempfile

    return tempfile.mkdtemp(prefix="acereason-")


def _state_of(folder: str) -> tuple[int, int]:
    """Return a folder's change time and mode: anything that is done to the folder itself changes them."""
    found = os.stat(folder)
    return found.st_ctime_ns, found.st_mode


def _own_address_space() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def _tasks_of_user() -> int:
    """Count the threads of this process's user, which RLIMIT_NPROC counts."""
    uid, count = os.getuid(), 0
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                count += len(os.listdir(f"/proc/{entry.name}/task")) if entry.stat().st_uid == uid else 0
            except OSError:
                continue
    return count


def reachable(path: str) -> str | None:
    """Return the directory on the way to this path that other users may not enter, if any."""
    steps = [Path(path).resolve(), *Path(path).resolve().parents]
    closed = [step for step in steps if step.is_dir() and not step.stat().st_mode & 0o001]
    return str(closed[0]) if closed else None


def interpreter_problem(layers: Layers) -> str | None:
    """Return why programs couldn't import: with a user of their own and no mounts, Python must be open to all users."""
    if not layers.uid or layers.namespaces:
        return None
    closed = reachable(sys.base_prefix)
    return (
        closed and f"Python lies under {closed}, which only its owner may enter: use a Python that all users can read"
    )
