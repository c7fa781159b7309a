"""Run verifiers on other machines, through Ray (the extra `ray`). acereason must be importable on each of them."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import ray

from acereason.common.errors import first_line
from acereason.rewards.workers import LocalExecutor, WorkerFailure


class RayExecutor:
    """An Executor whose workers are Ray actors; each runs its calls in a process of its own, with its hard deadlines.

    Connects to the cluster that `RAY_ADDRESS` names or that runs on this machine, or starts one here.

    Args:
        workers: number of actors, each on one core.
        memory_gib: address space of each actor's process, GiB.
        waiting: calls that may wait for an actor; `submit` blocks beyond.
        modules: what each actor's process imports before its first call.
    """

    def __init__(self, workers: int, memory_gib: float, waiting: int, modules: tuple[str, ...] = ()) -> None:
        ray.init(ignore_reinit_error=True, log_to_driver=False)
        # why: a machine may leave the cluster; its actor starts again on another one
        host = ray.remote(num_cpus=1, max_restarts=-1)(_Host)
        self._hosts = [host.remote(memory_gib, modules) for _ in range(workers)]
        self._busy = [0] * workers
        """Number of calls under way or waiting at each host."""
        self._lock = threading.Lock()
        self._room = threading.Semaphore(waiting + workers)

    def submit(self, function: Callable[..., Any], args: tuple, seconds: float) -> "Future[Any]":
        """See Executor."""
        self._room.acquire()
        with self._lock:
            # why: calls differ in length, and each waits at the actor that it was given to
            index = min(range(len(self._hosts)), key=self._busy.__getitem__)
            self._busy[index] += 1
        result: Future[Any] = Future()
        reply = self._hosts[index].run.remote(function, args, seconds).future()
        reply.add_done_callback(lambda done: self._finish(index, done, result))
        return result

    def close(self) -> None:
        """See Executor. The cluster goes on."""
        for host in self._hosts:
            ray.kill(host)

    def _finish(self, index: int, done: "Future[Any]", result: "Future[Any]") -> None:
        with self._lock:
            self._busy[index] -= 1
        self._room.release()
        # why: the actor or its machine died, or could not load the verifier: no verdict comes from it
        if error := done.exception():
            result.set_exception(WorkerFailure(f"the verifier's host failed: {first_line(error)}"))
            return
        failure, value = done.result()
        if failure:
            result.set_exception(WorkerFailure(failure))
        else:
            result.set_result(value)


class _Host:
    """Runs calls in an actor's one worker process, which can be killed without losing the actor."""

    def __init__(self, memory_gib: float, modules: tuple[str, ...]) -> None:
        self._executor = LocalExecutor(1, memory_gib, 1, modules)

    def run(self, function: Callable[..., Any], args: tuple, seconds: float) -> tuple[str | None, Any]:
        """Return (message of a failure or None, result)."""
        try:
            # why: as a text, since Ray would wrap the exception in one of its own
            return None, self._executor.submit(function, args, seconds).result()
        except WorkerFailure as failure:
            return str(failure), None
