"""Limits count a program's own time, whatever else the machine does."""

import os
import subprocess
import sys
import time

import pytest

from acereason.common.types import Problem
from acereason.rewards.code.formats import parse_tests
from acereason.rewards.code.settings import CodeSettings
from acereason.rewards.code.verdict import verify
from acereason.rewards.pool import RewardPool, RewardSettings
from acereason.sandbox import clock
from acereason.sandbox.clock import Clock, family, used, waited
from tests.support.busy import busy_machine
from tests.support.limits import HANG

WORKS = """
import time
started = time.process_time()
while time.process_time() < started + {0}: pass
print(input())
"""
SLEEPS = "import time\ntime.sleep({0})\nprint(input())"
CHILD_WORKS = """
import os, time
if os.fork(): os.wait()
else:
    while time.process_time() < {0}: pass
    os._exit(0)
print(input())
"""
ECHO = parse_tests({"inputs": ["1\n"], "outputs": ["1\n"]})


def outcome(program: str, tests=ECHO, seconds: float = 1) -> str:
    return verify(f"```python\n{program}\n```", tests, CodeSettings(seconds=seconds)).detail["tests"][0]


@pytest.mark.parametrize("program", [WORKS, SLEEPS, CHILD_WORKS])
def test_a_program_that_takes_too_long_is_ended(program):
    assert outcome(program.format(0.4)) == "passed"
    started = time.monotonic()
    assert outcome(program.format(2 * HANG)) == "time"
    assert time.monotonic() - started < HANG


@pytest.mark.slow
def test_a_busy_machine_changes_no_verdict():
    """Programs that work or sleep for half their time, print much, answer an examiner; and those that take too long."""
    much = parse_tests({"inputs": ["1\n"], "outputs": ["x" * 2_000_000]})
    asked = parse_tests({"type": "script", "tests": "assert sum(f(i) for i in range(300)) == 44850\nassert g() == 1"})
    work = WORKS.format(0.3).replace("print(input())", "")
    answers = work + "def f(x): return x\ndef g():\n    time.sleep(0.3)\n    return 1"
    with busy_machine():
        for _ in range(3):
            assert [outcome(program.format(0.5)) for program in (WORKS, SLEEPS, CHILD_WORKS)] == ["passed"] * 3
            assert outcome("print('x' * 2_000_000)", much) == "passed"
            assert outcome(answers, asked) == "passed"
        assert [outcome(program.format(60)) for program in (WORKS, SLEEPS, CHILD_WORKS)] == ["time"] * 3
        assert outcome(answers.replace("return 1", "time.sleep(60)"), asked) == "time"


@pytest.mark.slow
def test_a_busy_machine_times_no_math_verdict_out():
    pool = RewardPool(RewardSettings(workers=1, timeout=1.5))
    problem = Problem("p", "math", "", r"\frac12")
    try:
        with busy_machine():
            verdicts = [
                pool.submit(problem, rf"\boxed{{\sin \frac{{\pi}}{{6}} + {n} - {n}}}").result() for n in range(9)
            ]
        assert [verdict.status for verdict in verdicts] == ["correct"] * 9
    finally:
        pool.close()


def test_the_seconds_that_a_process_used_and_waited_for_are_measured():
    child = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
    try:
        assert child.pid in family(os.getpid())
        time.sleep(1)
        taken = used([child.pid])
        assert taken > 0.1
        assert taken + waited([child.pid]) == pytest.approx(1, abs=0.5)
    finally:
        child.kill()
        child.wait()
    assert used([child.pid]) == waited([child.pid]) == 0
    assert child.pid not in family(os.getpid())


def test_a_clock_counts_use_and_sleep_and_has_an_end(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(clock.time, "monotonic", lambda: now[0])
    watch = Clock(2)
    now[0] = 110.0
    assert not watch.is_over(used=1.9, busy=9)  # eight tenths of its time it waited for a core
    assert watch.next_look == pytest.approx(110.1)
    assert watch.is_over(used=2, busy=9)
    assert watch.is_over(used=0, busy=8)
    now[0] = 140.0
    assert watch.is_over(used=1.9, busy=40)
