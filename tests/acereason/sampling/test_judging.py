from concurrent.futures import Future
from threading import Timer, get_ident

from acereason.common.types import Verdict
from acereason.sampling.judging import Judging
from acereason.sampling.request import Finished, Request
from tests.support.fakes import problem


class Pool:
    """Gives futures, which the test completes."""

    def __init__(self) -> None:
        self.futures: dict[str, Future] = {}

    def submit(self, problem, text) -> Future:
        self.futures[text] = Future()
        return self.futures[text]


def response(number: int) -> Finished:
    return Finished(Request(problem(), number), f"response {number}", 1, "stop")


def test_verdicts_are_kept_as_they_come_in_the_callers_thread():
    pool, kept = Pool(), []
    judging = Judging(
        pool, lambda finished, verdict: kept.append((finished.request.sample, verdict.status, get_ident()))
    )
    judging.begin(response(0))
    judging.begin(response(1))
    assert kept == []
    pool.futures["response 1"].set_result(Verdict("wrong"))
    assert kept == []
    judging.begin(response(2))
    assert kept == [(1, "wrong", get_ident())]
    pool.futures["response 2"].set_result(Verdict("error"))
    Timer(0.05, lambda: pool.futures["response 0"].set_result(Verdict("correct"))).start()
    judging.finish()
    assert kept[1:] == [(2, "error", get_ident()), (0, "correct", get_ident())]
