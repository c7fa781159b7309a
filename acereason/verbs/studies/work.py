"""This module does a study's runs, each once, however many processes share its folder and whenever they are killed."""

import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from acereason.common.errors import UserError
from acereason.common.files import read_json, write_json
from acereason.common.locks import Held, Lock
from acereason.processes import signals
from acereason.processes.steps import run_step
from acereason.verbs.studies.plan import Job, runs_folder

_POLL_SECONDS = 2.0
"""Seconds between two looks at what other processes have finished."""


class Work:
    """The runs of a study in their folder.

    `jobs/ID` has each run's lock, log and, once finished, `done.json`; `runs/ID` is the run's own folder.

    Args:
        folder: the folder of the runs, which other processes and studies may share.
        jobs: the runs, each after its inputs.
    """

    def __init__(self, folder: Path, jobs: Sequence[Job]) -> None:
        self.folder = folder
        self.jobs = list({job.id: job for job in jobs}.values())

    def done(self, job: Job) -> dict[str, Any] | None:
        """Return what a finished run has left of itself, `minutes` and `bytes`; None of another."""
        path = self._place(job) / "done.json"
        return read_json(path) if path.exists() else None

    def do_all(self, check: Callable[[Job], None]) -> None:
        """Return when every run has finished, here or in another process.

        Args:
            check: is given each run that has finished here, and may raise.

        Raises:
            UserError: a run failed; names its log.
            Interrupted: a signal has come.
        """
        while left := {job.id: job for job in self.jobs if self.done(job) is None}:
            ready = [job for job in left.values() if left.keys().isdisjoint(job.inputs)]
            if job := next((job for job in ready if self._try(job)), None):
                check(job)
            else:
                # why: the others may end without having finished, and leave their runs to this process
                time.sleep(_POLL_SECONDS)

    def _try(self, job: Job) -> bool:
        """Do a run unless it is, or has become, another process's; return whether it was done here."""
        lock = Lock(self._place(job), "folder")
        lock.folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.take()
            # why: a step outlives a study that was killed for as long as it takes to save its last checkpoint
            Lock(runs_folder(self.folder) / job.id, "folder").check()
            # why: it may have been finished between the look and the lock
            return self.done(job) is None and self._do(job)
        except Held:
            return False
        finally:
            lock.release()

    def _do(self, job: Job) -> bool:
        log = self._place(job) / "log"
        is_first, began = not log.exists(), time.monotonic()
        print(f"== {job.id} ({self.counted()}): run.py {shlex.join(job.arguments)}", flush=True)
        run_step(job.id, list(job.arguments), log)
        minutes = (time.monotonic() - began) / 60 if is_first else None
        size = _bytes(runs_folder(self.folder) / job.id)
        write_json(self._place(job) / "done.json", {"step": job.step.name, "minutes": minutes, "bytes": size})
        if received := signals.received():
            raise signals.Interrupted(received)
        return True

    def counted(self) -> str:
        """Return how many runs are finished, in words."""
        return f"{sum(self.done(job) is not None for job in self.jobs)} of {len(self.jobs)} finished"

    def _place(self, job: Job) -> Path:
        return self.folder / "jobs" / job.id


def _bytes(folder: Path) -> int:
    """Return the size of a folder's files; a link is none."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def check_folder(folder: Path, key: str) -> None:
    """Raise a UserError for a folder, named by a key, that holds what is no study's."""
    if folder.is_file():
        raise UserError(f"{key}: {folder} is a file; name a folder for the study")
    known = {"jobs", "runs", "report", "results.json"}
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    if foreign := sorted(name for name in names if name not in known and not name.startswith(".")):
        raise UserError(f"{key}: {folder} holds what is no study's: {', '.join(foreign[:3])}; name another folder")
