"""Judge responses in processes with a hard deadline: whatever a verifier does, a verdict comes in bounded time."""

import dataclasses
import importlib.util
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future

from acereason.common.errors import UserError
from acereason.common.types import Group, Problem, Verdict
from acereason.rewards.code import verdict as code
from acereason.rewards.code.compressed import outline_of
from acereason.rewards.math import verdict as math
from acereason.rewards.settings import (
    UNFINISHED,
    RewardSettings,
    answers,
    check_gold,
    isolation,
    judge,
    judge_in_steps,
    unfinished,
)
from acereason.rewards.workers import Executor, LocalExecutor

_ISOLATION_SECONDS = 60.0


class RewardErrors(RuntimeError):
    """Too many verifiers failed for the rewards to be trusted."""


class RewardPool:
    """Judges responses in other processes. Any thread may call it; the workers start with the first response."""

    def __init__(self, settings: RewardSettings) -> None:
        if settings.executor == "ray" and importlib.util.find_spec("ray") is None:
            raise UserError("rewards.executor: ray is not installed; pip install acereason[ray], or set it to local")
        self.settings = settings
        self._lock = threading.Lock()
        self._running: Executor | None = None

    def submit(self, problem: Problem, text: str) -> "Future[Verdict]":
        """Start judging a response. The future never raises: failures are verdicts with status error."""
        if unfinished(text, self.settings):
            return _done(Verdict("wrong", dict(UNFINISHED)))
        if problem.task == "math":
            # why: plain numbers and equal texts are decided in microseconds; a process would cost more
            quick = math.verify_quickly(text, answers(problem), self.settings.math)
            if quick is not None:
                return _done(quick)
        return self.schedule(judge, problem, text)

    def schedule(self, function: Callable[..., Verdict], problem: Problem, text: str) -> "Future[Verdict]":
        """Start `function(problem, text, settings)` in a worker, which is killed at the problem's deadline.

        The worker imports the module that defines the function, which should therefore import nothing heavy. The
        problem comes without its statement and prompt.
        """
        verdict: Future[Verdict] = Future()
        # why: every call is pickled, and judging needs neither of these two
        bare = dataclasses.replace(problem, statement="", prompt_ids=[])
        called = self._executor().submit(function, (bare, text, self.settings), self._deadline(problem))
        called.add_done_callback(lambda done: verdict.set_result(_verdict_of(done)))
        return verdict

    def stream(self, items: Iterable[tuple[Problem, str]]) -> Iterator[Verdict]:
        """Yield verdicts in the order of the items. Items are taken as workers get free, so there may be any number."""
        pending: deque[Future[Verdict]] = deque()
        for problem, text in items:
            pending.append(self.submit(problem, text))
            # why: one slow verdict at the front must not let finished ones behind it pile up without end
            while pending and (pending[0].done() or len(pending) > 4 * self.settings.max_waiting):
                yield pending.popleft().result()
        yield from (verdict.result() for verdict in pending)

    def explain(self, problem: Problem, text: str) -> Verdict:
        """Return the verdict, with every comparison on the way in `detail["steps"]`."""
        return self.schedule(judge_in_steps, problem, text).result()

    def isolation(self) -> str:
        """Return the active and missing layers of the sandbox where programs run, or why there is no sandbox."""
        called = self._executor().submit(isolation, (self.settings,), _ISOLATION_SECONDS)
        return str(called.exception() or called.result())

    def gold_problems(self, problems: list[Problem]) -> list[str | None]:
        """Return for each problem why its ground truth can't serve, or None."""
        futures = [self.schedule(check_gold, problem, "") for problem in problems]
        return [verdict.detail.get("error") for verdict in (future.result() for future in futures)]

    def close(self) -> None:
        """Stop the workers and wait for their end. A later response starts new ones."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def _executor(self) -> Executor:
        # why: two threads with a first response each must not start two sets of workers
        with self._lock:
            if self._running is None:
                self._running = _start_executor(self.settings)
            return self._running

    def _deadline(self, problem: Problem) -> float:
        if problem.task == "math":
            return self.settings.timeout
        return code.deadline(outline_of(problem), self.settings.code)


def check_error_rate(groups: list[Group], limit: float) -> None:
    """Raise RewardErrors when more than `limit` of the step's verdicts, over all ranks, are errors; show five."""
    # why here: it loads torch, and `score` has no use for that
    from acereason.processes.distributed import gather

    errors = [
        f"{group.problem.id}: {rollout.verdict.detail.get('error')}; response ends {rollout.response.text[-200:]!r}"
        for group in groups
        for rollout in group.rollouts
        if rollout.verdict.status == "error"
    ]
    # why: all ranks raise or none: one that went on would wait for the others at the next collective
    count = sum(gather([sum(len(group.rollouts) for group in groups)]))
    errors = gather(errors)
    if len(errors) > limit * count:
        shown = "\n  ".join(errors[:5])
        raise RewardErrors(
            f"{len(errors)} of {count} verdicts are errors, above rewards.max_error_rate {limit:g}:\n  {shown}"
        )


def _start_executor(settings: RewardSettings) -> Executor:
    if settings.executor == "ray":
        # why: Ray is an optional extra, so its module is imported only where it is asked for
        from acereason.rewards.remote import RayExecutor

        return RayExecutor(settings.workers, settings.memory_gib, settings.max_waiting)
    return LocalExecutor(settings.workers, settings.memory_gib, settings.max_waiting)


def _verdict_of(done: Future) -> Verdict:
    error = done.exception()
    return Verdict("error", {"error": str(error)}) if error else done.result()


def _done(verdict: Verdict) -> "Future[Verdict]":
    future: Future[Verdict] = Future()
    future.set_result(verdict)
    return future
