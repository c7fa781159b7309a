"""Judge equal responses to a problem once: many samples of one prompt end alike, word for word."""

import copy
import threading
from collections.abc import Callable
from concurrent.futures import Future

from acereason.common.types import Problem, Verdict


class Equals:
    """Verdicts on responses to the latest problem. Any thread may call it."""

    def __init__(self) -> None:
        # why: of one problem alone: the responses of a group come together, and nothing grows
        self._problem: Problem | None = None
        self._verdicts: dict[tuple[type, str], Future[Verdict]] = {}
        self._lock = threading.Lock()

    def verdict(
        self, verifier: type, problem: Problem, text: str, start: Callable[[], "Future[Verdict]"]
    ) -> "Future[Verdict]":
        """Return the verdict that this verifier has given, or is about to give, the same decisive text; else `start`.

        A verdict that took no judging says so: its seconds are 0.
        """
        with self._lock:
            if problem is not self._problem:
                self._problem, self._verdicts = problem, {}
            known = self._verdicts.get((verifier, text))
            if known is None or _has_failed(known):
                known = self._verdicts[verifier, text] = start()
                return _copy(known, {})
        return _copy(known, {"seconds": 0.0})


def _has_failed(verdict: "Future[Verdict]") -> bool:
    return verdict.done() and verdict.result().status == "error"


def _copy(verdict: "Future[Verdict]", detail: dict[str, float]) -> "Future[Verdict]":
    """Return a future of a verdict of its own: whoever gets one may add to it."""
    copied: Future[Verdict] = Future()

    def take(done: "Future[Verdict]") -> None:
        found = copy.deepcopy(done.result())
        found.detail.update(detail)
        copied.set_result(found)

    verdict.add_done_callback(take)
    return copied
