"""One writer at a time: locks that their process's end opens, however it ends."""

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

from acereason.errors import UserError

LOCK = ".lock"
"""File in a locked folder; says who holds it, and is gone when nobody does."""
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
"""What file systems without locks answer, such as Lustre without its option flock."""
_BEAT_SECONDS = 10.0
"""Between two signs of life that a holder gives by the time of its lock."""
_OLD_SECONDS = 3600.0
"""Without a sign of life after which a holder has ended, whatever the clocks of two machines say."""


@dataclass(frozen=True)
class Holder:
    """The process that a lock names."""

    pid: int
    host: str
    boot: str
    """Of the machine, since it was last started: containers on it share it, and have names of their own."""
    born: str
    """When the process began, in the kernel's ticks: a number of a process comes again."""
    inode: int
    """Of the lock: a copy of a folder has another one, and no holder."""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is, or was, on another machine."""
        return self.boot != _boot() and self.host != socket.gethostname()

    @property
    def is_alive(self) -> bool:
        """Whether this machine still has the process."""
        return self.boot == _boot() and self.born == _born(self.pid)


class Lock:
    """Keeps other processes from a folder.

    The kernel opens it when the process ends, by SIGKILL too, and children of the process don't keep it. Where the
    kernel can't tell, because the holder is on another machine, its signs of life do.

    Args:
        folder: what is locked; it must be there.
        key: what names the folder, for the refusal.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder, self.key = folder, key
        self._file: IO[bytes] | None = None
        self._ended = threading.Event()

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / LOCK

    @property
    def held(self) -> bool:
        """Whether this process holds it."""
        return self._file is not None

    def take(self) -> Holder | None:
        """Lock the folder until `release`.

        Returns:
            the holder that has ended without opening it, if there is one.

        Raises:
            UserError: another process holds it, and is named; or nothing can be written there.
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
        """Raise a UserError where another process holds it, which is named; nothing changes."""
        if self.path.exists() and is_lock(self.path):
            with self.path.open("rb") as file:
                self._refuse_living(file, hold(file, self._refusal(_read(file))))

    def release(self) -> None:
        """Open the lock, and leave nothing of it. Does nothing where this process doesn't hold it."""
        file, self._file = self._file, None
        _HELD.discard(self)
        self._ended.set()
        if file is not None:
            if _is_at(file, self.path):
                self.path.unlink()
            file.close()

    def forget(self) -> None:
        """Leave the lock to the parent, in a process that was forked."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> IO[bytes]:
        """The lock's file, locked where the file system can, and still at its path."""
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
            file.close()  # its holder has just removed it

    def _begin(self, file: IO[bytes]) -> Holder | None:
        """Write down this process; the one before it."""
        try:
            before = _read(file)
            file.truncate(0)
            me = Holder(os.getpid(), socket.gethostname(), _boot(), _born(os.getpid()), _inode(file))
            file.write(json.dumps(asdict(me)).encode() + b"\n")
        except OSError:  # a full disk
            self.path.unlink()
            file.close()
            raise
        return before if before and before.inode == me.inode else None

    def _refuse_living(self, file: IO[bytes], can_lock: bool) -> None:
        """Raise where the holder that the file names lives, as far as the kernel doesn't know."""
        named = _read(file)
        if named is None or named.inode != _inode(file):
            return
        if named.is_elsewhere and self._gives_signs(file) or not can_lock and named.is_alive:
            raise UserError(self._refusal(named))

    def _gives_signs(self, file: IO[bytes]) -> bool:
        """Whether a holder on another machine lives: looks at the lock for as long as some signs take."""
        seen = os.fstat(file.fileno()).st_mtime
        if time.time() - seen > _OLD_SECONDS:
            return False
        end = time.monotonic() + 3 * _BEAT_SECONDS
        while time.monotonic() < end:
            time.sleep(_BEAT_SECONDS / 4)
            with self.path.open() as again:  # opened anew: a network file system asks its server then
                if os.fstat(again.fileno()).st_mtime != seen:
                    return True
        return False

    def _refusal(self, holder: Holder | None) -> str:
        who = holder or "another process"
        return f"{self.key}: {who} is writing into {self.folder}; wait for its end, or name another folder"

    def _beat(self, file: IO[bytes]) -> None:
        while not self._ended.wait(_BEAT_SECONDS):
            with contextlib.suppress(OSError, ValueError):  # a sign that gets lost is followed by another
                os.utime(file.fileno())


_HELD: set[Lock] = set()
"""By this process."""


def is_lock(path: Path) -> bool:
    """Whether a file of a lock's name is one, and not something else of the same name."""
    try:
        return path.is_file() and path.read_bytes()[:1] in (b"", b"{")
    except OSError:
        return False


@contextmanager
def locked(folder: Path, key: str) -> Iterator[None]:
    """Make a folder, and keep other processes from it until the block ends.

    Raises:
        UserError: another process is in its block; names it. `key` is what names the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = Lock(folder, key)
    lock.take()
    try:
        yield
    finally:
        lock.release()


def hold(file: IO[Any], refusal: str) -> bool:
    """Lock an open file until it is closed, by the end of the process if by nothing else.

    Returns:
        whether the file system has locks.

    Raises:
        UserError: another process holds it; says `refusal`.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UserError(refusal) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        warnings.warn(f"{file.name}: no locks on this file system; let one process at a time write there", stacklevel=2)
        return False
    return True


def _forget_all() -> None:
    """An open file is shared with forked children, and a lock lasts as long as any of them."""
    for lock in list(_HELD):
        lock.forget()
    _HELD.clear()


os.register_at_fork(after_in_child=_forget_all)


def _read(file: IO[bytes]) -> Holder | None:
    """Who is named in the file; None where that is nobody, or half a name."""
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
    """When a process of this machine began; nothing where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
