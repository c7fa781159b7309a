import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from acereason.common.types import Problem, Tests
from acereason.rewards import pool as pool_module
from acereason.rewards.pool import RewardErrors, RewardPool, RewardSettings, check_error_rate
from acereason.rewards.workers import LocalExecutor, WorkerFailure
from acereason.sandbox.clock import STARVED
from tests.support.bad_verifiers import allocates, dies, grows, raises, sleeps, spawns
from tests.support.fakes import group, problem, rollout
from tests.support.limits import HANG


@pytest.fixture(scope="module")
def rewards():
    pool = RewardPool(RewardSettings(workers=2, timeout=1.5, memory_gib=2))
    yield pool
    pool.close()


LONGEST = HANG + STARVED * 1.5
"""Seconds on a machine that has no time: for a new worker, and for what the deadline of 1.5 s allows at most."""
UNDECIDED = r"\boxed{\sin \frac{\pi}{6}}"
"""Correct, and only the slow path can tell."""


def half() -> Problem:
    """A problem of its own each time: equal responses to the same one would be judged once."""
    return problem(answer=r"\frac12")


@pytest.mark.parametrize(
    ("verifier", "error"),
    [
        (sleeps, "timeout after 1.5 s"),
        (dies, "process died (exit code -9)"),
        (raises, "RecursionError: too deep"),
        (allocates, "MemoryError"),
    ],
)
def test_a_failing_verifier_is_an_error_never_a_zero(rewards, monkeypatch, verifier, error):  # R1
    monkeypatch.setattr(pool_module, "judge", verifier)
    start = time.monotonic()
    verdict = rewards.submit(half(), UNDECIDED).result()
    assert (verdict.status, verdict.reward) == ("error", None)
    assert error in verdict.detail["error"]
    assert time.monotonic() - start < LONGEST
    monkeypatch.undo()
    healthy = rewards.submit(half(), UNDECIDED).result()
    assert healthy.status == "correct", healthy


@pytest.mark.parametrize(
    "bomb",
    [
        *(
            r"10^{10^{10}}",
            r"9^{9^{9}}",
            r"9^{9^{9^{9}}}",
            r"(10^{6})!",
            r"10^{6}!!",
            r"2^{2^{30}}",
            r"3^{3^{3^{3^3}}}",
        ),
        *(r"\sum_{n=1}^{10^{9}} \frac{1}{n^2}", r"\prod_{n=1}^{10^{7}} n", r"\binom{10^{9}}{5\cdot 10^{8}}"),
        *(r"\sqrt{" * 200 + "2" + "}" * 200, r"\frac{1}{" * 151 + "2" + "}" * 151, "(" * 900 + "1" + ")" * 900),
        *("+".join(f"x^{{{n}}}" for n in range(250)), r"\int_0^1 " * 20 + "x", r"\pm " * 300 + "1", "1," * 900 + "1"),
    ],
)
def test_bombs_end_in_bounded_time(rewards, bomb):
    start = time.monotonic()
    assert rewards.submit(half(), rf"\boxed{{{bomb}}}").result().status in ("wrong", "error")
    assert time.monotonic() - start < LONGEST


def test_the_same_verdict_from_another_thread(rewards):  # R1
    verdicts = []
    thread = threading.Thread(target=lambda: verdicts.append(rewards.submit(half(), UNDECIDED).result().status))
    thread.start()
    thread.join()
    assert verdicts == ["correct"]


def test_many_verdicts_keep_their_order(rewards):
    responses = [rf"\boxed{{\sin^2 x + \cos^2 x - \frac{{{n}}}{{4}}}}" for n in range(40)]
    verdicts = rewards.stream((half(), response) for response in responses)
    assert [verdict.status == "correct" for verdict in verdicts] == [n == 2 for n in range(40)]


def test_several_acceptable_answers(rewards):
    either = Problem("p", "math", "", answer="7", alternatives=[r"\frac12"])
    assert [rewards.submit(either, rf"\boxed{{{text}}}").result().status for text in ("7", "0.5", "0.7")] == [
        *("correct", "correct", "wrong"),
    ]


def test_gold_problems(rewards):
    answers = ["7", r"\frac{1}{", "", r"\frac12"]
    found = rewards.gold_problems([problem(answer=answer) for answer in answers])
    assert [bool(reason) for reason in found] == [False, True, True, False]


def test_submitting_waits_while_too_many_calls_wait():
    executor = LocalExecutor(workers=1, memory_gib=4, waiting=1)
    try:
        start = time.monotonic()
        results = [executor.submit(time.sleep, (0.4,), 5) for _ in range(4)]
        assert time.monotonic() - start > 0.7  # one runs, one waits, two had to be waited for
        assert [result.result() for result in results] == [None] * 4
    finally:
        executor.close()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(condition) -> bool:
    return any(condition() or time.sleep(0.05) for _ in range(1200))


def test_what_a_killed_worker_started_dies_with_it(tmp_path):
    executor = LocalExecutor(workers=1, memory_gib=4, waiting=9)
    try:
        with pytest.raises(WorkerFailure, match="timeout after 3 s"):
            executor.submit(spawns, (str(tmp_path),), 3).result()
        assert eventually(lambda: not alive(int((tmp_path / "pid").read_text())))
    finally:
        executor.close()


def test_a_worker_that_has_grown_is_replaced():
    executor = LocalExecutor(workers=1, memory_gib=1.2, waiting=9)
    try:
        first = executor.submit(os.getpid, (), 5).result()
        assert executor.submit(os.getpid, (), 5).result() == first
        executor.submit(grows, (), 5).result()
        assert executor.submit(os.getpid, (), 5).result() != first
        assert not alive(first)
    finally:
        executor.close()


def test_a_worker_that_can_not_start_fails_its_call_and_the_next_one_may():
    executor = LocalExecutor(workers=1, memory_gib=4, waiting=9)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.kill(executor.submit(os.getpid, (), 60).result(), signal.SIGKILL)
    try:
        assert eventually(lambda: executor.pids() == [])
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))  # not one more
        failed = executor.submit(len, ("four",), 9)
        with pytest.raises(WorkerFailure, match="a verifier's process did not start: .*Too many open files"):
            failed.result(timeout=HANG)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert executor.submit(len, ("four",), 9).result(timeout=HANG) == 4
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        executor.close()


def test_closing_leaves_no_process_and_no_call_without_an_answer():
    executor = LocalExecutor(workers=2, memory_gib=4, waiting=99)
    calls = [executor.submit(time.sleep, (2 * HANG,), 9999) for _ in range(6)]
    assert eventually(lambda: len(executor.pids()) == 2)
    pids = executor.pids()
    start = time.monotonic()
    executor.close()
    assert time.monotonic() - start < HANG
    assert not any(alive(pid) for pid in pids)
    assert all(isinstance(call.exception(timeout=1), WorkerFailure) for call in calls)
    with pytest.raises(WorkerFailure, match="closed"):
        executor.submit(time.sleep, (0,), 1)


@pytest.mark.parametrize("end", ["sys.exit()", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_workers_end_with_the_process_that_started_them(tmp_path, end):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import os, signal, sys, time
            from acereason.rewards.workers import LocalExecutor
            if __name__ == "__main__":
                executor = LocalExecutor(1, 4, 9)
                print(executor.submit(os.getpid, (), 9).result(), flush=True)
                executor.submit(time.sleep, (60,), 99)
                time.sleep(0.5)
                {end}
            """
        )
    )
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment, timeout=HANG)
    assert eventually(lambda: not alive(int(done.stdout)))


def test_the_error_rate_stops_the_run_and_shows_examples():
    groups = [group(rollout("correct"), rollout("error"), name="gsm8k/7")]
    check_error_rate(groups, limit=0.5)
    with pytest.raises(RewardErrors, match=r"1 of 2 verdicts are errors.*0\.4(.|\n)*gsm8k/7: made up"):
        check_error_rate(groups, limit=0.4)


TESTS = Tests("stdin", inputs=[""], outputs=["2"])


@pytest.fixture(scope="module")
def pools():
    opened = {name: RewardPool(RewardSettings(workers=1, after_think=name)) for name in ("require", "prefer")}
    yield opened
    for pool in opened.values():
        pool.close()


@pytest.mark.parametrize(
    ("task", "answer"),
    [("math", r"So \boxed{\frac12}."), ("code", "\n```python\nprint(2)\n```\n")],
)
@pytest.mark.parametrize(
    ("text", "required", "preferred"),
    [
        ("thoughts</think>{}", "correct", "correct"),
        ("thoughts, {}", "wrong", "correct"),  # unfinished thoughts
        ("{}</think>And so on.", "wrong", "wrong"),
        ("{}</think>", "wrong", "wrong"),
    ],
)
def test_an_answer_counts_after_the_thoughts_where_that_is_required(pools, task, answer, text, required, preferred):
    half = Problem("p", task, "", r"\frac12", tests=TESTS if task == "code" else None)
    for after_think, status in [("require", required), ("prefer", preferred)]:
        verdict = pools[after_think].submit(half, text.replace("{}", answer)).result()
        explained = pools[after_think].explain(half, text.replace("{}", answer))
        assert (verdict.status, explained.status) == (status, status)
        if "</think>" not in text and after_think == "require":
            assert verdict.detail["path"] == explained.detail["path"] == "no </think>"
