"""Run calls in worker processes, one call at a time in each; at its deadline a worker is killed with all it started.

A process pool whose workers share one channel loses the task of a worker that dies while it reads, and leaves the
processes that a killed worker had started. Here each worker has its own pipe, its own process group, and its own
thread in the parent, which knows the task, the deadline and the process.
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

from acereason.processes.forkserver import CONTEXT, start_server
from acereason.sandbox.clock import Clock, used, waited

_START_SECONDS = 300.0
# why: the memory of a long-lived worker grows up to tenfold; a new process begins at 60 MB
_CALLS_OF_A_WORKER = 2000
_CLOSED = "the reward pool was closed"


class WorkerFailure(RuntimeError):
    """The call gave no result: it raised, was killed at its deadline, or took its process down."""


class Executor(Protocol):
    """Runs calls in other processes."""

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
        workers: number of processes.
        memory_gib: address space of each, GiB; a call that needs more fails with a MemoryError. A worker that has used
            half of it is replaced after its call.
        waiting: calls that may wait for a worker; beyond, `submit` blocks.
        modules: what each process imports before its first call, so that no call pays for it in its own time.
    """

    def __init__(self, workers: int, memory_gib: float, waiting: int, modules: tuple[str, ...] = ()) -> None:
        self._calls: queue.Queue[_Call | None] = queue.Queue(maxsize=waiting)
        self._lock = threading.Lock()
        self._workers = [_Worker(self._calls, int(memory_gib * 2**30), modules) for _ in range(workers)]
        self._closed = False

    def submit(self, function: Callable[..., Any], args: tuple, seconds: float) -> "Future[Any]":
        """See Executor."""
        # why: pickled in the caller's thread, where arguments that can't be pickled raise
        call = _Call(bytes(ForkingPickler.dumps((function, args))), seconds)
        self._start()
        self._calls.put(call)
        # why: closed meanwhile, after it had emptied the queue: no worker would answer this call
        if self._closed:
            self._refuse_waiting()
        return call.result

    def pids(self) -> list[int]:
        """Return the ids of the living processes."""
        return [pid for worker in self._workers if (pid := worker.pid()) is not None]

    def close(self) -> None:
        """See Executor."""
        with self._lock:
            self._closed = True
        # why: a thread may just be starting a process that
        # the first stop can't see, so all are stopped again
        while any(worker.is_alive() for worker in self._workers):
            for worker in self._workers:
                worker.stop()
            self._refuse_waiting()
            with contextlib.suppress(queue.Full):
                # why: wakes a thread that waits for a call
                self._calls.put_nowait(None)
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
    """A thread that feeds calls to one process."""

    def __init__(self, calls: "queue.Queue[_Call | None]", memory: int, modules: tuple[str, ...]) -> None:
        super().__init__(daemon=True, name="reward-worker")
        self._calls, self._memory, self._modules, self._stopping = calls, memory, modules, False
        self._process: Any = None
        self._pipe: Connection | None = None
        self._used = 0

    def run(self) -> None:
        """Pass calls to the process until this thread is to stop."""
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
        """Return its process's id, where one is alive."""
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
        # why: memory that a process has used rarely returns
        # to the system: a later call would meet the limit
        if memory > self._memory / 2 or self._used >= _CALLS_OF_A_WORKER:
            self._end_process()
        if failure:
            raise WorkerFailure(failure)
        return result

    def _answers(self, pipe: Connection, call: _Call) -> bool:
        """Return whether the process answers before the call has used up its time, however busy the machine is."""
        family, clock = [self._process.pid], Clock(call.seconds)
        used_before, waited_before = used(family), waited(family)
        pipe.send_bytes(call.pickled)
        while not pipe.poll(max(0.0, clock.next_look - time.monotonic())):
            taken = used(family) - used_before
            if clock.is_over(taken, taken + waited(family) - waited_before):
                # why: the answer may have come while its time was measured
                return pipe.poll()
        return True

    def _ready(self) -> Connection:
        """Return the pipe to a process that waits for a call; start one where there is none."""
        if self._pipe is not None and self.pid() is not None:
            return self._pipe
        self._end_process()
        if self._stopping:
            raise WorkerFailure(_CLOSED)
        try:
            self._pipe, theirs = CONTEXT.Pipe()
            self._process = CONTEXT.Process(target=_serve, args=(theirs, self._memory, self._modules), daemon=True)
            self._process.start()
        # why: out of descriptors or processes, one call fails:
        # if the thread died, the run would wait for ever
        except (EOFError, OSError) as error:
            self._process = None
            self._end_process()
            raise WorkerFailure(f"a verifier's process did not start: {error}") from error
        # why: with a copy of its end open here, the pipe of a dead process would never report its end
        theirs.close()
        try:
            if self._pipe.poll(_START_SECONDS):
                self._pipe.recv()
                return self._pipe
        except (EOFError, OSError):
            pass  # it died, which is raised below
        raise WorkerFailure(f"a verifier's process did not start (exit code {self._end_process()})")

    def _end_process(self) -> int | None:
        """Kill the process and all of its group; return its exit code."""
        process, pipe, self._process, self._pipe, self._used = self._process, self._pipe, None, None, 0
        if pipe is not None:
            pipe.close()
        if process is None:
            return None
        died = process.exitcode
        _kill_group(process.pid)
        process.join()
        return process.exitcode if died is None else died


def failure_of(error: Exception) -> str:
    """Return what an error verdict says of an exception."""
    return f"{type(error).__name__}: {error}"[:500]


def _kill_group(pid: int) -> None:
    # why: the group does not exist before the process has made it, so the process itself is killed, too
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.killpg(0, signal.SIGKILL)


def _serve(pipe: Connection, memory: int, modules: tuple[str, ...]) -> None:
    """Answer calls in a worker process, within its memory, until its parent ends or hangs up."""
    # why: a group of its own: one kill takes along whatever a verifier has started
    os.setsid()
    # why: where the pool was not closed, multiprocessing ends the process by this signal
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    resource.setrlimit(resource.RLIMIT_AS, (memory, resource.getrlimit(resource.RLIMIT_AS)[1]))
    # why: the server may have failed to load it; here it happens before any call's time begins
    for module in ("acereason.rewards.preload", *modules):
        importlib.import_module(module)
    pipe.send("ready")
    while True:
        try:
            function, args = pipe.recv()
        # why: the parent has closed the pipe, or is gone
        except EOFError:
            return
        try:
            failure, result = None, function(*args)
        # why: whatever a verifier raises goes to the parent, which makes it an error verdict
        except Exception as error:
            failure, result = failure_of(error), None
        pipe.send((failure, result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
