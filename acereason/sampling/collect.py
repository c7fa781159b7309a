"""This module brings a teacher's responses into the store of `predict`, and judges them on the way."""

from collections.abc import Callable

from acereason.processes.signals import Interrupted
from acereason.rewards.pool import RewardPool
from acereason.sampling.judging import Judging
from acereason.sampling.progress import SamplingProgress
from acereason.sampling.request import Failed, Request, Teacher
from acereason.sampling.shards import Store, judgeable


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
    judging = Judging(pool, store.add_verdict)
    try:
        unfinished = store.unfinished(requests)
        # why: a kill takes the verdicts that were under way, while their responses are kept
        for request in store.unjudged(requests):
            judging.begin(store.finished(request))
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


def _ask(store: Store, requests: list[Request], teacher: Teacher, judging: Judging) -> list[Failed]:
    failures = []
    try:
        progress = SamplingProgress(len(requests))
        with progress.shown():
            for outcome in teacher.sample(requests):
                progress.count(outcome)
                if isinstance(outcome, Failed):
                    failures.append(outcome)
                    continue
                store.add(outcome)
                if judgeable(outcome.request):
                    judging.begin(outcome)
    # why: also when a signal or `give_up_after` ends it: the failures so far are listed
    finally:
        teacher.close()
        store.write_failures(failures)
    return failures
