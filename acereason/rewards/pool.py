"""Judge responses in processes with a hard deadline: whatever a verifier does, a verdict comes in bounded time.

A judge, which only waits for a server, has a thread beside these processes (`acereason/rewards/judge/`)."""

import dataclasses
import importlib.util
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import Any

from acereason.common.errors import UserError
from acereason.common.journal import RankJournals
from acereason.common.types import Group, Problem, Verdict
from acereason.rewards.code.verdict import isolation
from acereason.rewards.equals import Equals
from acereason.rewards.functions import combined, load
from acereason.rewards.judge.kept import Kept
from acereason.rewards.registry import VERIFIERS
from acereason.rewards.settings import JUDGE, VERIFIER, RewardSettings
from acereason.rewards.verifier import Judgement, Verifier, check_ground_truth, judge
from acereason.rewards.workers import Executor, LocalExecutor, failure_of

_ISOLATION_SECONDS = 60.0


class RewardErrors(RuntimeError):
    """Too many verifiers failed for the rewards to be trusted."""


class RewardPool:
    """Judges responses in other processes. Any thread may call it; the workers start with the first response."""

    def __init__(self, settings: RewardSettings) -> None:
        if settings.executor == "ray" and importlib.util.find_spec("ray") is None:
            raise UserError("rewards.executor: ray is not installed; pip install acereason[ray], or set it to local")
        self.settings = settings
        self._functions = {name: load(name, settings) for name in settings.weights if name not in (VERIFIER, JUDGE)}
        self._lock = threading.Lock()
        self._equals = Equals()
        self._running: Executor | None = None
        self._kept: Callable[[], Kept] | None = None
        # why: at once, so that a missing key is told before the run begins
        self._judge = self._made_judge()

    def keep_verdicts(self, journals: RankJournals, rank: int) -> None:
        """Keep a judge's verdicts in a journal from the next start on, and take over those that are in all of them.

        Args:
            journals: the journals, whose folder is made where there is a judge.
            rank: number of this process's own.
        """
        self._kept = partial(Kept, journals, rank)
        self._close_judge()

    def submit(self, problem: Problem, text: str, asking: bool = True) -> "Future[Verdict]":
        """Start judging a response. The future never raises: failures are verdicts with status error.

        Args:
            asking: whether a judge is asked; otherwise the others alone make the verdict.
        """
        asked = self._asked(problem, text) if asking else {}
        own = {name: self._start(each, problem, text) for name, each in self._verifiers(problem)}
        return self._combined(asked | own)

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
        own = {name: self._call(each, each.explain, problem, text) for name, each in self._verifiers(problem)}
        return self._combined(self._asked(problem, text) | own).result()

    def isolation(self) -> str:
        """Return the active and missing layers of the sandbox where programs run, or why there is no sandbox."""
        called = self._executor().submit(isolation, (self.settings.code,), _ISOLATION_SECONDS)
        return str(called.exception() or called.result())

    def gold_problems(self, problems: list[Problem]) -> list[str | None]:
        """Return for each problem why its ground truth can't serve, or None."""
        futures = [[self._check(each, problem) for _, each in self._verifiers(problem)] for problem in problems]
        reasons = [[str(why.exception() or why.result() or "") for why in whys] for whys in futures]
        return [next(filter(None, whys), None) for whys in reasons]

    def close(self) -> None:
        """Stop the workers and the judge, and wait for their end. A later response starts new ones."""
        self._close_judge()
        if self._running is not None:
            self._running.close()
            self._running = None

    def _verifiers(self, problem: Problem) -> list[tuple[str, Verifier]]:
        """Return (name, verifier) of each that judges responses to a problem; the first decides `correct`."""
        own = VERIFIERS[problem.task](self.settings)
        names = self.settings.weights or (VERIFIER,)
        return [(name, self._functions.get(name, own)) for name in names if name != JUDGE]

    def _start(self, verifier: Verifier, problem: Problem, text: str) -> "Future[Verdict]":
        # why: plain numbers are decided in microseconds; a process would cost more
        try:
            seen = verifier.look(problem, text)
        # why: whatever it raises is a failure to judge; only here it is not another process that fails
        except Exception as error:
            seen = Verdict("error", {"error": failure_of(error)})
        if isinstance(seen, Verdict):
            return _done(seen)
        decisive, start = verifier.decisive(seen), lambda: self._call(verifier, verifier.judge, problem, seen)
        return start() if decisive is None else self._equals.verdict(type(verifier), problem, decisive, start)

    def _call(
        self, verifier: Verifier, method: Callable[[Problem, str], Judgement], problem: Problem, text: str
    ) -> "Future[Verdict]":
        """Start a verifier's method in a worker, which is killed at the problem's deadline."""
        verdict: Future[Verdict] = Future()
        called = self._executor().submit(judge, (method, _bare(problem), text), verifier.deadline(problem))
        called.add_done_callback(lambda done: verdict.set_result(_verdict_of(done)))
        return verdict

    def _check(self, verifier: Verifier, problem: Problem) -> "Future[str | None]":
        return self._executor().submit(check_ground_truth, (verifier, _bare(problem)), verifier.deadline(problem))

    def _combined(self, parts: dict[str, "Future[Verdict]"]) -> "Future[Verdict]":
        weights = self.settings.weights
        # why: the verdict of a task's verifier alone is handed on as it is; of several the first named decides
        return (
            combined({name: parts[name] for name in weights if name in parts}, weights) if weights else parts[VERIFIER]
        )

    def _asked(self, problem: Problem, text: str) -> "dict[str, Future[Verdict]]":
        # why: two threads with a first response each must not make two judges
        with self._lock:
            self._judge = self._judge or self._made_judge()
        return {JUDGE: self._judge.submit(problem, text)} if self._judge is not None else {}

    def _made_judge(self) -> Any:
        if self.settings.judge is None:
            return None
        # why: its client takes a second to load, and most runs have no judge
        from acereason.rewards.judge.asking import Judge

        return Judge(self.settings.judge, self.settings.max_waiting, self._kept)

    def _close_judge(self) -> None:
        if self._judge is not None:
            self._judge.close()
            self._judge = None

    def _executor(self) -> Executor:
        # why: two threads with a first response each must not start two sets of workers
        with self._lock:
            if self._running is None:
                self._running = _start_executor(self.settings)
            return self._running


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
    modules = tuple(name.rpartition(".")[0] for name in settings.weights if name not in (VERIFIER, JUDGE))
    if settings.executor == "ray":
        # why: Ray is an optional extra, so its module is imported only where it is asked for
        from acereason.rewards.remote import RayExecutor

        return RayExecutor(settings.workers, settings.memory_gib, settings.max_waiting, modules)
    return LocalExecutor(settings.workers, settings.memory_gib, settings.max_waiting, modules)


def _bare(problem: Problem) -> Problem:
    # why: every call is pickled, and judging needs no tokens
    return dataclasses.replace(problem, prompt_ids=[])


def _verdict_of(done: Future) -> Verdict:
    error = done.exception()
    return Verdict("error", {"error": str(error)}) if error else done.result()


def _done(verdict: Verdict) -> "Future[Verdict]":
    future: Future[Verdict] = Future()
    future.set_result(verdict)
    return future
