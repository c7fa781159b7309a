import os
import signal
import threading
import time

import pytest
from fakes import group, problem, rollout

from acereason.rewards import pool as pool_module
from acereason.rewards.pool import RewardErrors, RewardPool, RewardSettings, check_error_rate
from acereason.types import Verdict


def sleeps(task: str, text: str, answer: str) -> Verdict:
    time.sleep(60)
    return Verdict("correct")


def dies(task: str, text: str, answer: str) -> Verdict:
    os.kill(os.getpid(), signal.SIGKILL)
    return Verdict("correct")


def raises(task: str, text: str, answer: str) -> Verdict:
    raise RecursionError("too deep")


def allocates(task: str, text: str, answer: str) -> Verdict:
    return Verdict("correct" if bytearray(3 << 30) else "wrong")


@pytest.fixture(scope="module")
def rewards():
    pool = RewardPool(RewardSettings(workers=2, timeout=1.5, memory_gib=2))
    yield pool
    pool.close()


HALF = problem(answer=r"\frac12")


@pytest.mark.parametrize(
    ("verifier", "error"),
    [
        (sleeps, "timeout after 1.5 s"),
        (dies, "process died"),
        (raises, "RecursionError: too deep"),
        (allocates, "MemoryError"),
    ],
)
def test_a_failing_verifier_is_an_error_never_a_zero(rewards, monkeypatch, verifier, error):  # R1
    monkeypatch.setattr(pool_module, "judge", verifier)
    start = time.monotonic()
    verdict = rewards.submit(HALF, r"\boxed{x}").result()
    assert (verdict.status, verdict.reward) == ("error", None)
    assert error in verdict.detail["error"]
    assert time.monotonic() - start < 10
    monkeypatch.undo()
    assert rewards.submit(HALF, r"\boxed{0.5}").result().status == "correct"


@pytest.mark.parametrize("bomb", [r"10^{10^{10}}", r"9^{9^{9}}", r"(10^{6})!", r"\sqrt{" * 200 + "2" + "}" * 200])
def test_bombs_end_in_bounded_time(rewards, bomb):
    start = time.monotonic()
    assert rewards.submit(HALF, rf"\boxed{{{bomb}}}").result().status in ("wrong", "error")
    assert time.monotonic() - start < 10


def test_the_same_verdict_from_another_thread(rewards):  # R1
    verdicts = []
    thread = threading.Thread(target=lambda: verdicts.append(rewards.submit(HALF, r"\boxed{0.5}").result().status))
    thread.start()
    thread.join()
    assert verdicts == ["correct"]


def test_many_verdicts_keep_their_order(rewards):
    futures = [rewards.submit(HALF, rf"\boxed{{\frac{{{n}}}{{4}}}}") for n in range(40)]
    assert [future.result().status == "correct" for future in futures] == [n == 2 for n in range(40)]


def test_gold_problems(rewards):
    answers = ["7", r"\frac{1}{", "", r"\frac12"]
    found = rewards.gold_problems([problem(answer=answer) for answer in answers])
    assert [bool(reason) for reason in found] == [False, True, True, False]


def test_closing_leaves_no_process():
    pool = RewardPool(RewardSettings(workers=1))
    assert pool.submit(HALF, r"\boxed{0.5}").result().status == "correct"
    (worker,) = pool._pool._pool_manager.worker_manager.workers
    pool.close()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_the_error_rate_stops_the_run_and_shows_examples():
    groups = [group(rollout("correct"), rollout("error"), name="gsm8k/7")]
    check_error_rate(groups, limit=0.5)
    with pytest.raises(RewardErrors, match=r"1 of 2 verdicts are errors.*0\.4(.|\n)*gsm8k/7: made up"):
        check_error_rate(groups, limit=0.4)
