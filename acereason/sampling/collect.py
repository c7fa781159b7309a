"""This module brings a teacher's responses into the store, and judges them on the way."""

from collections.abc import Callable
from queue import SimpleQueue

from acereason.common.types import Verdict
from acereason.processes.signals import Interrupted
from acereason.rewards.pool import RewardPool
from acereason.teacher.progress import Told
from acereason.teacher.requests import Failed, Request, Teacher
from acereason.teacher.shards import Store, judgeable


def collect(store: Store, requests: list[Request], teacher: Callable[[], Teacher], pool: RewardPool) -> list[Failed]:
    """Ask for the missing responses, judge those without a verdict, and write the shards.

    Args:
        store: the responses and verdicts so far; the new ones go into it.
        requests: all requests of this process.
        teacher: makes the teacher; called only where a response is missing.
        pool: judges the responses; it is closed at the end.

    Returns:
        the requests that failed; they have no row.
    """
    judging = Judging(store, pool)
    try:
        unfinished = store.unfinished(requests)
        # why: a kill takes the verdicts that were under way, while their responses are kept
        for request in store.unjudged(requests):
            judging.begin(request, store.response(request))
        failures = _ask(store, unfinished, teacher(), judging) if unfinished else []
        judging.finish()
        # why: a call that asked nothing still writes shards where a kill came before them, or `samples` has changed
        if len(unfinished) > len(failures) or store.shard_rows() != len(requests) - len(failures):
            store.write_shards(requests)
        store.write_problems(requests)
        return failures
    except Interrupted as interrupted:
        kept = len(requests) - len(store.unfinished(requests))
        interrupted.kept = f"{kept:,} of {len(requests):,} responses are kept in {store.journal.path}"
        raise
    finally:
        pool.close()
        store.close()


class Judging:
    """Judges responses in the background, and stores each verdict when it is there."""

    def __init__(self, store: Store, pool: RewardPool) -> None:
        self.store, self.pool = store, pool
        self._under_way = 0
        self._done: SimpleQueue[tuple[Request, Verdict]] = SimpleQueue()

    def begin(self, request: Request, response: str) -> None:
        """Start judging a response, and store the verdicts that have come meanwhile."""
        if judgeable(request):
            self._under_way += 1
            verdict = self.pool.submit(request.problem, response)
            # why: a queue, since the callback runs in the pool's thread and the store belongs to this one
            verdict.add_done_callback(lambda done: self._done.put((request, done.result())))
        while not self._done.empty():
            self._store()

    def finish(self) -> None:
        """Wait for all verdicts and store them."""
        while self._under_way:
            self._store()

    def _store(self) -> None:
        request, verdict = self._done.get()
        self._under_way -= 1
        self.store.add_verdict(request, verdict)


def _ask(store: Store, requests: list[Request], teacher: Teacher, judging: Judging) -> list[Failed]:
    failures = []
    try:
        told = Told(len(requests))
        with told.shown():
            for outcome in teacher.sample(requests):
                told.count(None if isinstance(outcome, Failed) else outcome.tokens)
                if isinstance(outcome, Failed):
                    failures.append(outcome)
                else:
                    store.add(outcome)
                    judging.begin(outcome.request, outcome.text)
    # why: also when a signal or `give_up_after` ends it: the failures so far are listed
    finally:
        teacher.close()
        store.write_failures(failures)
    return failures
