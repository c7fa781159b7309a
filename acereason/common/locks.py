"""Locks of folders that the end of their process opens, however it ends, so that one process at a time writes there."""

import contextlib
import errno
import fcntl
import json
import os
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from acereason.common.errors import UserError

LOCK = ".lock"
"""Name of the file in a locked folder that names its holder; it is removed when the lock is released."""
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
"""Errors of file systems without locks, such as Lustre without its option flock."""
_BEAT_SECONDS = 10.0
"""Seconds between two signs of life, by which a holder renews the time of its lock file."""
# why: an hour is more than the clocks of two machines differ by
_OLD_SECONDS = 3600.0
"""Seconds without a sign of life after which a holder counts as ended without a closer look."""


class Held(UserError):
    """Another process holds a lock."""


@dataclass(frozen=True)
class Holder:
    """The process that a lock file names."""

    pid: int
    host: str
    # why: the host's name alone doesn't do: containers on one machine have names of their own, and share the kernel
    boot: str
    """The machine's boot id: new at each start of its kernel."""
    # why: process ids are used again
    born: str
    """Start of the process, in the kernel's ticks."""
    # why: the copy of a folder has the text of its lock, but another inode, and so no holder
    inode: int
    """Inode of the lock file."""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    @property
    def is_elsewhere(self) -> bool:
        """Whether the process is, or was, on another machine."""
        return self.boot != _boot() and self.host != socket.gethostname()

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs on this machine."""
        return self.boot == _boot() and self.born == _born(self.pid)


class Lock:
    """Keeps other processes from a folder.

    The kernel opens it when the process ends, even by SIGKILL, and children of the process don't keep it. If the kernel
    can't tell, because the holder is on another machine, the holder's signs of life decide.

    Args:
        folder: the folder to lock; it must exist.
        key: the setting that names the folder, for the refusal.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder, self.key = folder, key
        self._file: IO[bytes] | None = None
        self._ended = threading.Event()

    @property
    def path(self) -> Path:
        """The lock file."""
        return self.folder / LOCK

    @property
    def held(self) -> bool:
        """Whether this process holds it."""
        return self._file is not None

    def take(self) -> Holder | None:
        """Lock the folder until `release`.

        Returns:
            the holder before, if it has ended without releasing the lock; else None.

        Raises:
            Held: another process holds it, and is named.
            UserError: the folder can't be written.
        """
        try:
            file = self._open()
            before = self._begin(file)
        except OSError as error:
            raise UserError(f"{self.key}: {self.folder} can't be written into: {error.strerror}") from error
        self._file = file
        _HELD.add(self)
        threading.Thread(target=self._beat, args=(file,), daemon=True).start()
        return before

    def check(self) -> None:
        """Raise `Held`, which names the process that holds the lock, if another does; change nothing."""
        if self.path.exists() and is_lock(self.path):
            with self.path.open("rb") as file:
                self._refuse_living(file, hold(file, self._refusal(_read(file))))

    def release(self) -> None:
        """Open the lock and remove its file. Does nothing if this process doesn't hold it."""
        file, self._file = self._file, None
        _HELD.discard(self)
        self._ended.set()
        if file is not None:
            # why: somebody may have removed the file, and another process made its own at this path
            if _is_at(file, self.path):
                self.path.unlink()
            file.close()

    def forget(self) -> None:
        """Leave the lock to the parent; called in a process that was forked."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> IO[bytes]:
        """Open and lock the lock file, and return it once it is the one at its path."""
        if self.path.exists() and not is_lock(self.path):
            raise UserError(f"{self.key}: {self.path} is no lock of ours; move it elsewhere, or name another folder")
        while True:
            file = self.path.open("a+b", buffering=0)
            try:
                can_lock = hold(file, self._refusal(_read(file)))
                self._refuse_living(file, can_lock)
            except UserError:
                file.close()
                raise
            if _is_at(file, self.path):
                return file
            # why: between opening and locking its holder has removed it: a lock of a removed file keeps nobody out
            file.close()

    def _begin(self, file: IO[bytes]) -> Holder | None:
        """Write this process into the lock file and return the holder that it named before, if it had not released."""
        try:
            before = _read(file)
            file.truncate(0)
            me = Holder(os.getpid(), socket.gethostname(), _boot(), _born(os.getpid()), _inode(file))
            file.write(json.dumps(asdict(me)).encode() + b"\n")
        except OSError:
            # why: on a full disk an empty lock file would stay, and name nobody
            self.path.unlink()
            file.close()
            raise
        return before if before and before.inode == me.inode else None

    def _refuse_living(self, file: IO[bytes], can_lock: bool) -> None:
        """Raise `Held` if the holder that the file names is alive, in cases that the kernel's lock can't tell."""
        named = _read(file)
        if named is None or named.inode != _inode(file):
            return
        if named.is_elsewhere and self._gives_signs(file) or not can_lock and named.is_alive:
            raise Held(self._refusal(named))

    def _gives_signs(self, file: IO[bytes]) -> bool:
        """Return whether a holder on another machine is alive; watches the lock file for three signs of life."""
        seen = os.fstat(file.fileno()).st_mtime
        if time.time() - seen > _OLD_SECONDS:
            return False
        end = time.monotonic() + 3 * _BEAT_SECONDS
        while time.monotonic() < end:
            time.sleep(_BEAT_SECONDS / 4)
            # why: opened anew, since a network file system asks its server for the time then
            with self.path.open() as again:
                if os.fstat(again.fileno()).st_mtime != seen:
                    return True
        return False

    def _refusal(self, holder: Holder | None) -> str:
        who = holder or "another process"
        return f"{self.key}: {who} is writing into {self.folder}; wait for its end, or name another folder"

    def _beat(self, file: IO[bytes]) -> None:
        while not self._ended.wait(_BEAT_SECONDS):
            # why: a sign of life that fails is followed by another
            with contextlib.suppress(OSError, ValueError):
                os.utime(file.fileno())


_HELD: set[Lock] = set()
"""Locks that this process holds."""


def is_lock(path: Path) -> bool:
    """Return whether a file of a lock's name is one: empty, or with the beginning of a JSON object."""
    try:
        return path.is_file() and path.read_bytes()[:1] in (b"", b"{")
    except OSError:
        return False


@contextmanager
def locked(folder: Path, key: str) -> Iterator[None]:
    """Make a folder, and keep other processes from it until the block ends.

    Raises:
        Held: another process is in such a block; names it. `key` is the setting that names the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = Lock(folder, key)
    lock.take()
    try:
        yield
    finally:
        lock.release()


def hold(file: IO[Any], refusal: str) -> bool:
    """Lock an open file until it is closed, at the latest by the end of the process.

    Returns:
        whether the file system has locks.

    Raises:
        Held: another process holds it; says `refusal`.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Held(refusal) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        warnings.warn(f"{file.name}: no locks on this file system; let one process at a time write there", stacklevel=2)
        return False
    return True


def _forget_all() -> None:
    # why: forked children share an open file, and its lock lasts as long as any of them has it open
    for lock in list(_HELD):
        lock.forget()
    _HELD.clear()


os.register_at_fork(after_in_child=_forget_all)


def _read(file: IO[bytes]) -> Holder | None:
    """Return the holder that the file names; None if it is empty, or a kill has left half a text."""
    file.seek(0)
    try:
        return Holder(**json.loads(file.read()))
    except (ValueError, TypeError):
        return None


def _inode(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_ino


def _is_at(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()


def _born(pid: int) -> str:
    """Return the start of a process of this machine, in the kernel's ticks; an empty text if there is none."""
    # why: split behind the last bracket: a program's name, in brackets, may hold blanks; the start is field 22
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
