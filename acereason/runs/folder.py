"""A run's folder: it is marked, locked while in use, and never one that holds anything but a run's files."""

import json
import os
import shlex
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_info

from acereason import __version__
from acereason.common.errors import UserError
from acereason.common.files import write_json
from acereason.common.locks import LOCK, Lock, is_lock
from acereason.runs.checkpoints import checkpoints_of
from acereason.runs.files import MARK, RunFiles

_SHOWN = 3
"""Foreign files that a refusal names."""
_OTHERS = {"hparams.yaml", "metrics.csv", "wandb", "samples", "results.json", "results.md"}
"""Files that loggers leave in a run's folder, beside TensorBoard's events, and those of `test`."""


class RunFolder:
    """The folder of one run of a verb.

    Between `claim` and `release` no other process can claim it. Nothing in it changes before `begin`.

    Args:
        folder: the folder that the config names.
        key: the setting that chooses another folder.
        verb: the verb that runs.
        goes_on: whether an earlier run in the folder is continued; otherwise it is moved aside.
    """

    def __init__(self, folder: Path, key: str, verb: str, goes_on: bool) -> None:
        self.folder, self.key, self.verb, self.goes_on = folder, key, verb, goes_on
        try:
            # why: a link stays where it is: the folder that it leads to is the run's, and is moved aside
            self.path = folder.resolve()
        except (OSError, RuntimeError) as error:
            raise UserError(f"{key}: {folder} is a link that leads nowhere") from error
        self._lock = Lock(self.path, key)

    def check(self) -> None:
        """Raise a UserError if a run may not have the folder, or can't write it."""
        refuse_shared(self.folder, self.key)
        self._refuse_if(self.path.exists() and not self.path.is_dir(), "is no folder")
        self._refuse_if(self.folder.is_symlink() and not self.path.parent.is_dir(), "is a link that leads nowhere")
        other = self.mark.get("verb", self.verb) if not is_run(self.path, self.verb) else self.verb
        self._refuse_if(other != self.verb, f"is that of a {other}")
        names = foreign(self.path, self.verb)
        shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
        self._refuse_if(bool(names), f"holds what is no run's: {shown}")
        there = next(path for path in [self.path, *self.path.parents] if path.exists())
        self._refuse_if(not there.is_dir(), f"can't be made: {there} is no folder")
        for path in (there, RunFiles(self.path).checkpoints):
            closed = path.exists() and not os.access(path, os.W_OK | os.X_OK)
            self._refuse_if(closed, f"can't be written: {path} is closed to this user")
        if self._moves_aside:
            self._check_movable()

    def refuse_in_use(self) -> None:
        """Raise a UserError if another process has claimed the folder; change nothing."""
        self._lock.check()

    def claim(self) -> None:
        """Lock the folder if it exists."""
        if self.path.exists():
            self._take()

    def begin(self) -> None:
        """Move an earlier run aside, unless it is continued, and mark the folder."""
        try:
            aside = self._set_aside() if self._lock.held and self._moves_aside else None
            try:
                self._mark()
            except OSError:
                # why: on a full disk the earlier run gets its name back, as if nothing had happened
                self._put_back(aside)
                raise
        except OSError as error:
            raise UserError(f"{self.key}: {self.folder} can't be written: {error.strerror}") from error
        if aside:
            told = f"the earlier run in {self.folder} is now {aside.name}"
            rank_zero_info(f"{told}; to resume a run, give --ckpt_path last")

    def note(self, **values: Any) -> None:
        """Add values to the mark."""
        write_json(self.path / MARK, self.mark | values)

    @property
    def mark(self) -> dict[str, Any]:
        """Content of the mark; {} if there is none."""
        return read_mark(self.path) or {}

    @property
    def is_copy(self) -> bool:
        """Whether the folder is a copy of the one that was marked."""
        return bool(self.mark) and self.mark.get("inode") != self.path.stat().st_ino

    def release(self) -> None:
        """Unlock the folder."""
        self._lock.release()

    @property
    def _moves_aside(self) -> bool:
        return not self.goes_on and is_run(self.path, self.verb)

    def _check_movable(self) -> None:
        self._refuse_if(os.path.ismount(self.path), "holds an earlier run, and is a disk that can't be moved aside")
        self._refuse_if(not os.access(self.path.parent, os.W_OK | os.X_OK), "holds an earlier run, and can't be moved")
        inner = next(runs_within(self.path), None)
        self._refuse_if(inner is not None, f"holds another run, {inner}, which would be moved aside with it")

    def _take(self) -> None:
        before = self._lock.take()
        if before:
            rank_zero_info(f"{self.folder}: {before} ended without closing its run; its lock is taken over")

    def _mark(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        if not self._lock.held:
            self._take()
            # why: the folder did not exist at `claim`: another run may have made, used and left it since
            self._refuse_if(is_marked(self.path), "was taken by another run meanwhile")
        write_json(self.path / MARK, self.mark | _beginning(self.verb, self.path))

    def _set_aside(self) -> Path:
        """Rename an earlier run in the same folder, so that nothing is lost, and return its new path."""
        aside = next(
            path for n in count(1) if not os.path.lexists(path := self.path.with_name(f"{self.path.name}~{n}"))
        )
        self.path.rename(aside)
        # why: the lock file has moved with the folder, and would stay in the earlier run
        self._lock.folder = aside
        self._lock.release()
        self._lock = Lock(self.path, self.key)
        return aside

    def _put_back(self, aside: Path | None) -> None:
        self._lock.release()
        if aside:
            self.path.rmdir()
            aside.rename(self.path)

    def _refuse_if(self, wrong: bool, what: str) -> None:
        if wrong:
            raise UserError(f"{self.key}: {self.folder} {what}; name another folder")


class TemporaryFolder:
    """The folder of `trainer.fast_dev_run`, which is removed at the end; on ranks other than the first None."""

    def __init__(self, is_writer: bool) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="acereason-")) if is_writer else None

    def release(self) -> None:
        """Remove the folder."""
        if self.folder:
            shutil.rmtree(self.folder)


def refuse_shared(folder: Path, key: str) -> None:
    """Raise a UserError if a folder is the working folder, the home or the temporary folder, or holds one of them."""
    temporary = Path(tempfile.gettempdir())
    names = {"the working folder": Path.cwd(), "your home": Path.home(), "the temporary folder": temporary}
    for name, shared in names.items():
        shared = shared.resolve()
        if folder.resolve() == shared:
            raise UserError(f"{key}: {folder} is {name}, which is no run's; name a folder for the run")
        if folder.resolve() in shared.parents:
            raise UserError(f"{key}: {folder} holds {name}, and is no run's; name a folder for the run")


def foreign(folder: Path, verb: str) -> list[str]:
    """Return the names in a folder that are not from a run of the verb; none if it is empty."""
    if not folder.is_dir() or is_marked(folder) and is_run(folder, verb):
        return []
    names = sorted(entry.name for entry in folder.iterdir() if not _is_ours(entry))
    known = _OTHERS | RunFiles(folder).names()
    unknown = [name for name in names if name not in known and not name.startswith("events.out.tfevents.")]
    return unknown or ([] if is_run(folder, verb) else names)


def _is_ours(entry: Path) -> bool:
    """Return whether a file is a lock, or a mark that a kill has left half written."""
    return entry.name.startswith(f".{MARK}.") or (entry.name == LOCK and is_lock(entry))


def read_mark(folder: Path) -> dict[str, Any] | None:
    """Read the mark of a run in its folder; None if there is none."""
    try:
        mark = json.loads((folder / MARK).read_text())
    except (OSError, ValueError):
        return None
    return mark if isinstance(mark, dict) and "acereason" in mark else None


def is_marked(folder: Path) -> bool:
    """Return whether a run has marked the folder."""
    return read_mark(folder) is not None


def is_run(folder: Path, verb: str) -> bool:
    """Return whether a folder is that of a run of the verb."""
    # why: runs from before there were marks are known by their files
    mark = read_mark(folder)
    if mark is not None:
        return mark.get("verb") == verb or verb == "fit"
    if verb == "test":
        return (folder / "samples").is_dir()
    return bool(checkpoints_of(folder)) or _is_lightnings(RunFiles(folder).config)


def _is_lightnings(config: Path) -> bool:
    try:
        return config.read_bytes().startswith(b"# lightning.pytorch==")
    except OSError:
        return False


def runs_within(folder: Path) -> Iterator[Path]:
    """Yield the folders of other runs below a folder, without those inside another."""
    for path, names, _ in os.walk(folder):
        inner = Path(path)
        if inner != folder and (is_marked(inner) or is_run(inner, "fit")):
            yield inner
            names.clear()


def _beginning(verb: str, folder: Path) -> dict[str, Any]:
    return {
        "acereason": __version__,
        "verb": verb,
        "command": shlex.join(sys.argv),
        "began": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "inode": folder.stat().st_ino,
    }
