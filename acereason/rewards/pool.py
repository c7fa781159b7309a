"""Verifiers in worker processes with a hard deadline: whatever they do, the trainer gets a verdict in bounded time."""

import logging
import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import Future, TimeoutError
from dataclasses import dataclass

from pebble import ProcessExpired, ProcessPool

from acereason.distributed import gather
from acereason.errors import UserError
from acereason.rewards import math
from acereason.types import Group, Problem, Task, Verdict


class RewardErrors(RuntimeError):
    """Too many verifiers failed for the rewards to be trusted."""


@dataclass
class RewardSettings:
    """How responses are judged."""

    workers: int = 2
    """Verifier processes of each rank."""
    timeout: float = 10.0
    """Seconds for one response; a verifier that takes longer is killed and its verdict is error."""
    memory_gib: float = 4.0
    """Address space of a worker, GiB; beyond it the verdict is error."""
    max_error_rate: float = 0.05
    """Share of a step's verdicts that may be errors; above it the run stops and shows them."""


class RewardPool:
    """Judges responses in other processes. Callable from any thread; starts its workers with the first response."""

    def __init__(self, settings: RewardSettings) -> None:
        self.settings = settings
        self._pool: ProcessPool | None = None

    def submit(self, problem: Problem, text: str) -> "Future[Verdict]":
        """Start judging a response; the future never raises: failures are verdicts with status error."""
        quick = math.verify_quickly(text, problem.answer) if problem.task == "math" else None
        return _done(quick) if quick else self._schedule(judge, problem.task, text, problem.answer)

    def gold_problems(self, problems: list[Problem]) -> list[str | None]:
        """For each problem why its ground truth can't serve, or None."""
        futures = [self._schedule(check_gold, problem.task, problem.answer) for problem in problems]
        return [verdict.detail.get("error") for verdict in (future.result() for future in futures)]

    def close(self) -> None:
        """Stop the workers and wait for their end."""
        if self._pool is not None:
            self._pool.stop()
            self._pool.join()
            self._pool = None

    def _schedule(self, function: Callable[..., Verdict], *args: str) -> "Future[Verdict]":
        if self._pool is None:
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(["acereason.rewards.math", "math_verify"])
            limit = int(self.settings.memory_gib * 2**30)
            self._pool = ProcessPool(
                self.settings.workers, max_tasks=1000, context=context, initializer=_prepare_worker, initargs=(limit,)
            )
        verdict: Future[Verdict] = Future()
        started = time.monotonic()
        task = self._pool.schedule(function, args=args, timeout=self.settings.timeout)
        task.add_done_callback(
            lambda done: verdict.set_result(_verdict_of(done, self.settings.timeout, time.monotonic() - started))
        )
        return verdict


def check_error_rate(groups: list[Group], limit: float) -> None:
    """Stop the run when more than `limit` of the step's verdicts, over all ranks, are errors, and show some."""
    errors = [
        f"{group.problem.id}: {rollout.verdict.detail.get('error')}; response ends {rollout.response.text[-200:]!r}"
        for group in groups
        for rollout in group.rollouts
        if rollout.verdict.status == "error"
    ]
    count = sum(gather([sum(len(group.rollouts) for group in groups)]))
    errors = gather(errors)
    if len(errors) > limit * count:
        shown = "\n  ".join(errors[:5])
        raise RewardErrors(
            f"{len(errors)} of {count} verdicts are errors, above rewards.max_error_rate {limit:g}:\n  {shown}"
        )


def judge(task: Task, text: str, answer: str) -> Verdict:
    """Run in a worker: the verifier of the task."""
    if task != "math":
        raise UserError(f"no verifier for task {task!r}")
    return math.verify(text, answer)


def check_gold(task: Task, answer: str) -> Verdict:
    """Run in a worker: whether the ground truth judges itself correct."""
    reason = math.gold_problem(answer) if task == "math" else f"no verifier for task {task!r}"
    return Verdict("error", {"error": reason}) if reason else Verdict("correct")


def _verdict_of(done: Future, timeout: float, seconds: float) -> Verdict:
    error = done.exception()
    if error is None:
        verdict: Verdict = done.result()
        verdict.detail["seconds"] = seconds
        return verdict
    if isinstance(error, TimeoutError):
        return Verdict("error", {"error": f"timeout after {timeout:g} s"})
    if isinstance(error, ProcessExpired):
        return Verdict("error", {"error": f"the verifier's process died (exit code {error.exitcode})"})
    return Verdict("error", {"error": f"{type(error).__name__}: {error}"[:500]})


def _done(verdict: Verdict) -> "Future[Verdict]":
    future: Future[Verdict] = Future()
    future.set_result(verdict)
    return future


def _prepare_worker(limit: int) -> None:
    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns at each call that its own time-outs are off
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
