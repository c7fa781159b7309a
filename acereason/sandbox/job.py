"""Follow a run from the trainer's side: pass in its input, collect its output, and end it when its time is up."""

import contextlib
import fcntl
import json
import marshal
import os
import select
import socket
import time
from typing import Any, BinaryIO, Literal

from acereason.sandbox.clock import Clock, family, scheduled, used, waited
from acereason.sandbox.settings import Limits, Run, SandboxError

GRACE_SECONDS = 60.0
"""Time for the zygote beyond a run's limits, to kill, reap and clean up: programs leave files by the million."""
_STDERR_BYTES = 64 * 2**10
_CHUNK = 2**16


class Job:
    """One run. A context manager: leaving it closes its pipes.

    Args:
        control: the zygote's socket.
        limits: the limits of this run.
        job: the request; see `program.run` and `examiner.run`.
        stdin: the program's standard input, a regular file, since some programs ask for its size.
        channel: becomes the program's fd 3; without it fd 3 is a pipe whose bytes are `Run.result`.
        zygote: the process id of the zygote.
    """

    def __init__(
        self,
        control: socket.socket,
        limits: Limits,
        job: dict[str, Any],
        stdin: bytes,
        channel: socket.socket | None,
        zygote: int,
    ) -> None:
        self.run = Run()
        self.zygote, self.limits = zygote, limits
        self.deadline = time.monotonic() + limits.longest_seconds + GRACE_SECONDS
        self._control = control
        self._ended = False
        self._written: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray(), "result": bytearray()}
        pipes = {name: os.pipe() for name in (["stdout", "stderr"] if channel else self._written)}
        self._names = {read: name for name, (read, _) in pipes.items()}
        writes = [write for _, write in pipes.values()]
        try:
            with _file(marshal.dumps(job)) as first, _file(stdin) as second:
                fds = [first.fileno(), second.fileno(), *writes, *([channel.fileno()] if channel else [])]
                socket.send_fds(control, [b"run"], fds)
        except OSError as error:
            self.__exit__()
            raise SandboxError(f"the zygote is gone: {error}") from error
        finally:
            # why: only the program may hold these ends: with a copy open here, reading would never end
            for write in writes:
                os.close(write)

    @property
    def sources(self) -> list[int]:
        """Descriptors that are still read from; none when the run is over."""
        return [*self._names] + ([] if self._ended else [self._control.fileno()])

    def read(self, source: int) -> bool:
        """Take the data that a source has ready; return whether more may come."""
        if source == self._control.fileno():
            self._end(receive(self._control))
            return False
        name, data = self._names[source], os.read(source, _CHUNK)
        if not data:
            os.close(source)
            del self._names[source]
        written = self._written[name]
        written += data
        if name == "stderr":
            del written[:-_STDERR_BYTES]
        elif len(written) > (limit := self.limits.output_mib * 2**20):
            del written[limit:]
            self.run.overflowed = True
            self.kill("stop")
        return bool(data)

    def kill(self, why: Literal["stop", "time"]) -> None:
        """Kill the program, if it still runs: its answer is no longer needed (`stop`), or its time is up (`time`)."""
        if not self._ended:
            # why: a zygote that is gone is noticed where its answer is read
            with contextlib.suppress(OSError):
                self._control.send(why.encode())

    def family(self) -> list[int]:
        """Return the ids of its processes."""
        return [] if self._ended else family(self.zygote)[1:]

    def finish(self) -> None:
        """Put the collected output into `run`."""
        self.run.stdout, self.run.result = bytes(self._written["stdout"]), bytes(self._written["result"])
        self.run.stderr = self._written["stderr"].decode(errors="replace")[-2000:]

    def __enter__(self) -> "Job":
        return self

    def __exit__(self, *_: object) -> None:
        for source in self._names:
            os.close(source)
        self._names = {}

    def _end(self, report: dict[str, Any]) -> None:
        self._ended = True
        if report["problem"]:
            raise SandboxError(f"a program's process could not be confined: {report['problem']}")
        run, status = self.run, report["status"]
        run.exit_code, run.signal = (None, -status) if status < 0 else (status, None)
        run.timed_out, run.stopped = report["stopped_by"] == "time", report["stopped_by"] == "stop"
        run.seconds, run.cpu_seconds, run.peak_mib = report["seconds"], report["cpu"], report["peak"]
        # why: a program may end by itself after its time was up, before the clock looked again
        if run.cpu_seconds >= self.limits.seconds and not run.stopped:
            run.timed_out = True


def collect(*jobs: Job, leader: Job | None = None) -> None:
    """Read all jobs to their ends. When `leader` ends, stop the others.

    Raises:
        SandboxError: a zygote died, or takes far longer than its limits.
    """
    watch = _Watch(jobs)
    waiting = {source: job for job in jobs for source in job.sources}
    poller = select.poll()
    for source in waiting:
        poller.register(source, select.POLLIN)
    while waiting:
        ready = poller.poll(1000 * max(0.0, watch.clock.next_look - time.monotonic()))
        for source, _ in ready:
            if not waiting[source].read(source):
                del waiting[source]
                poller.unregister(source)
        if leader and not leader.sources:
            for job in jobs:
                job.kill("stop")
        if not ready:
            watch.look()
    for job in jobs:
        job.finish()


class _Watch:
    """Ends runs whose time is up. Their zygotes, and this thread, which reads, take part in the clock."""

    def __init__(self, jobs: tuple[Job, ...]) -> None:
        self._jobs = jobs
        self.clock = Clock(jobs[0].limits.seconds)
        self._before = self._ours()

    def look(self) -> None:
        """Measure the runs, and end each that has had its time."""
        families = [job.family() for job in self._jobs]
        taken = [used(family) for family in families]
        for job, seconds in zip(self._jobs, taken, strict=True):
            if time.monotonic() > job.deadline:
                raise SandboxError("a program could not be ended in time")
            if seconds >= job.limits.seconds:
                job.kill("time")
        busy = sum(taken) + sum(waited(family) for family in families) + self._ours() - self._before
        if self.clock.is_over(taken[0], busy, len(families[0])):
            self._jobs[0].kill("time")
            # why: the zygote needs a moment to kill the program; until it has, one look a second is enough
            self.clock.next_look = time.monotonic() + 1

    def _ours(self) -> float:
        return scheduled("thread-self") + sum(scheduled(job.zygote) for job in self._jobs)


def _file(content: bytes) -> BinaryIO:
    """Return an unnamed file in memory that can't be changed, open at its start."""
    fd = os.memfd_create("input", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    file = os.fdopen(fd, "r+b", buffering=0)
    file.write(content)
    file.seek(0)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    return file


def receive(control: socket.socket) -> dict[str, Any]:
    """Return the zygote's next message."""
    try:
        data = control.recv(_CHUNK)
    except OSError as error:
        raise SandboxError(f"the zygote doesn't answer: {error}") from error
    if not data:
        raise SandboxError("the zygote died")
    message: dict[str, Any] = json.loads(data)
    return message
