"""Processes that run one call at a time, each with a hard deadline after which it is killed with all that it started.

A process pool whose workers share one channel loses the task of a worker that dies while it reads, and leaves what a
killed worker had started. Here each worker has its own pipe, its own process group, and its own thread in the parent,
which knows the task, the deadline and the process.
"""

import contextlib
import importlib
import multiprocessing
import os
import queue
import resource
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any, Protocol

from acereason.forkserver import CONTEXT, start_server
from acereason.rewards.clock import Clock, used, waited

_START_SECONDS = 300.0
_CALLS_OF_A_WORKER = 2000
_CLOSED = "the reward pool was closed"


class WorkerFailure(RuntimeError):
    """The call gave no result: it raised, was killed at its deadline, or took its process down."""


class Executor(Protocol):
    """Runs calls elsewhere."""

    def submit(self, function: Callable[..., Any], args: tuple, seconds: float) -> "Future[Any]":
        """Start `function(*args)`. The future holds its result or, when the call has taken `seconds` of its process's
        time or slept as long, a WorkerFailure. Blocks while too many calls wait. Callable from any thread.
        """
        ...

    def close(self) -> None:
        """End every process and wait for its end; calls under way fail."""
        ...


@dataclass
class _Call:
    pickled: bytes
    """(function, args)"""
    seconds: float
    result: "Future[Any]" = field(default_factory=Future)


class LocalExecutor:
    """Worker processes on this machine, started when first needed.

    Args:
        workers: how many.
        memory_gib: address space of each; what needs more fails with a MemoryError. A worker that has used half of it
            is replaced after its call.
        waiting: calls that may wait for a worker; `submit` blocks beyond.
    """

    def __init__(self, workers: int, memory_gib: float, waiting: int) -> None:
        self._calls: queue.Queue[_Call | None] = queue.Queue(maxsize=waiting)
        self._lock = threading.Lock()
        self._workers = [_Worker(self._calls, int(memory_gib * 2**30)) for _ in range(workers)]
        self._closed = False

    def submit(self, function: Callable[..., Any], args: tuple, seconds: float) -> "Future[Any]":
        """See Executor."""
        call = _Call(bytes(ForkingPickler.dumps((function, args))), seconds)
        self._start()
        self._calls.put(call)
        if self._closed:  # meanwhile
            self._refuse_waiting()
        return call.result

    def pids(self) -> list[int]:
        """Of the processes that are alive."""
        return [pid for worker in self._workers if (pid := worker.pid()) is not None]

    def close(self) -> None:
        """See Executor."""
        with self._lock:
            self._closed = True
        while any(worker.is_alive() for worker in self._workers):
            for worker in self._workers:
                worker.stop()
            self._refuse_waiting()
            with contextlib.suppress(queue.Full):
                self._calls.put_nowait(None)  # wakes a thread that waits for a call
            time.sleep(0.005)
        self._refuse_waiting()

    def _refuse_waiting(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                call = self._calls.get_nowait()
                if call is not None:
                    call.result.set_exception(WorkerFailure(_CLOSED))

    def _start(self) -> None:
        with self._lock:
            if self._closed:
                raise WorkerFailure(_CLOSED)
            if not self._workers[0].is_alive():
                start_server()
                for worker in self._workers:
                    worker.start()


class _Worker(threading.Thread):
    """One process and the thread that feeds it."""

    def __init__(self, calls: "queue.Queue[_Call | None]", memory: int) -> None:
        super().__init__(daemon=True, name="reward-worker")
        self._calls, self._memory, self._stopping = calls, memory, False
        self._process: Any = None
        self._pipe: Connection | None = None
        self._used = 0

    def run(self) -> None:
        """Serve calls until there is none left for this thread."""
        while not self._stopping and (call := self._calls.get()) is not None:
            try:
                call.result.set_result(self._run(call))
            except WorkerFailure as failure:
                call.result.set_exception(failure)
        self._end_process()

    def stop(self) -> None:
        """Give up the current call and end."""
        self._stopping = True
        process = self._process
        if process is not None and process.pid is not None:
            _kill_group(process.pid)

    def pid(self) -> int | None:
        """Of its process, where one is alive."""
        process = self._process
        return process.pid if process is not None and process.is_alive() else None

    def _run(self, call: _Call) -> Any:
        pipe = self._ready()
        try:
            if not self._answers(pipe, call):
                self._end_process()
                raise WorkerFailure(f"timeout after {call.seconds:g} s")
            failure, result, memory = pipe.recv()
        except (EOFError, OSError) as error:
            code = self._end_process()
            raise WorkerFailure(f"the verifier's process died (exit code {code})") from error
        self._used += 1
        if memory > self._memory / 2 or self._used >= _CALLS_OF_A_WORKER:
            self._end_process()
        if failure:
            raise WorkerFailure(failure)
        return result

    def _answers(self, pipe: Connection, call: _Call) -> bool:
        """Whether the process has an answer before the call's time is up: its own time, however busy the machine is."""
        family, clock = [self._process.pid], Clock(call.seconds)
        used_before, waited_before = used(family), waited(family)
        pipe.send_bytes(call.pickled)
        while not pipe.poll(max(0.0, clock.next_look - time.monotonic())):
            taken = used(family) - used_before
            if clock.is_over(taken, taken + waited(family) - waited_before):
                return pipe.poll()
        return True

    def _ready(self) -> Connection:
        """The pipe to a process that waits for a call."""
        if self._pipe is not None and self.pid() is not None:
            return self._pipe
        self._end_process()
        if self._stopping:
            raise WorkerFailure(_CLOSED)
        try:
            self._pipe, theirs = CONTEXT.Pipe()
            self._process = CONTEXT.Process(target=_serve, args=(theirs, self._memory), daemon=True)
            self._process.start()
        except (EOFError, OSError) as error:  # no more files or processes: a failure of this call, not of this thread
            self._process = None
            self._end_process()
            raise WorkerFailure(f"a verifier's process did not start: {error}") from error
        theirs.close()
        try:
            if self._pipe.poll(_START_SECONDS):
                self._pipe.recv()
                return self._pipe
        except (EOFError, OSError):
            pass  # it died; said below
        raise WorkerFailure(f"a verifier's process did not start (exit code {self._end_process()})")

    def _end_process(self) -> int | None:
        """Kill the process and all of its group; its exit code."""
        process, pipe, self._process, self._pipe, self._used = self._process, self._pipe, None, None, 0
        if pipe is not None:
            pipe.close()
        if process is None:
            return None
        died = process.exitcode
        _kill_group(process.pid)
        process.join()
        return process.exitcode if died is None else died


def _kill_group(pid: int) -> None:
    for kill in (os.killpg, os.kill):  # the group does not exist before the process has made it
        with contextlib.suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.killpg(0, signal.SIGKILL)


def _serve(pipe: Connection, memory: int) -> None:
    """A worker's life: its own process group, no longer than its parent's, within its memory, call after call."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # by which multiprocessing ends it, where nobody has closed the pool
    threading.Thread(target=_end_with_parent, daemon=True).start()
    resource.setrlimit(resource.RLIMIT_AS, (memory, resource.getrlimit(resource.RLIMIT_AS)[1]))
    importlib.import_module("acereason.rewards.warm")  # where the server could not
    pipe.send("ready")
    while True:
        try:
            function, args = pipe.recv()
        except EOFError:  # the parent closed it, or is gone
            return
        try:
            failure, result = None, function(*args)
        except Exception as error:  # reported to the parent, which makes it an error verdict
            failure, result = f"{type(error).__name__}: {error}"[:500], None
        pipe.send((failure, result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
