"""This module judges responses while others are still drawn."""

from collections.abc import Callable
from queue import SimpleQueue

from acereason.common.types import Verdict
from acereason.rewards.pool import RewardPool
from acereason.sampling.request import Finished


class Judging:
    """Judges responses in the background, and hands on each verdict when it is there.

    Args:
        pool: judges the responses.
        keep: takes a response and its verdict; it is called in the thread of `begin` and `finish`.
    """

    def __init__(self, pool: RewardPool, keep: Callable[[Finished, Verdict], None]) -> None:
        self.pool, self.keep = pool, keep
        self._under_way = 0
        self._done: SimpleQueue[tuple[Finished, Verdict]] = SimpleQueue()

    def begin(self, finished: Finished) -> None:
        """Start judging a response, and hand on the verdicts that have come meanwhile."""
        self._under_way += 1
        verdict = self.pool.submit(finished.request.problem, finished.text)
        # why: a queue, since the callback runs in the pool's thread and what is kept belongs to this one
        verdict.add_done_callback(lambda done: self._done.put((finished, done.result())))
        while not self._done.empty():
            self._hand_on()

    def finish(self) -> None:
        """Wait for all verdicts and hand them on."""
        while self._under_way:
            self._hand_on()

    def _hand_on(self) -> None:
        finished, verdict = self._done.get()
        self._under_way -= 1
        self.keep(finished, verdict)
