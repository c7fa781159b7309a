"""Processes that wait for a real signal; none of them imports more than it must."""

import os
import signal
import subprocess
import sys
import time

import pytest

from acereason.processes.descendants import descendants
from acereason.processes.listener import with_flags
from tests.support.limits import HANG

RUN = """
import ctypes, hashlib, os, signal, subprocess, sys, time
from acereason.processes import listener
from acereason.processes import signals
listener.GRACE_SECONDS = 1.0
def ready():
    print("ready", flush=True)
with signals.listening(["python", "run.py", "fit", "--name", "a b"], alone=True):
{body}
time.sleep(float(os.environ.get("AFTER", "0")))
print("finished")
"""


def start(body: str, **options) -> subprocess.Popen:
    """A process of these lines, once it has said that it is ready."""
    indented = "\n".join(f"    {line}" for line in body.strip().splitlines())
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    started = subprocess.Popen([sys.executable, "-c", RUN.format(body=indented)], text=True, **pipes, **options)
    assert started.stdout.readline() == "ready\n", started.stderr.read()
    return started


def ended(process: subprocess.Popen) -> tuple[int, str, str]:
    """Status, and what it said."""
    with process:
        return process.wait(timeout=HANG), process.stdout.read(), process.stderr.read()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_ends_at_once_with_a_line_and_128_and_itself(number):
    process = start("ready()\ntime.sleep(30)")
    process.send_signal(number)
    status, out, error = ended(process)
    assert (status, out) == (128 + number, "")
    assert error == f"interrupted by {number.name}; to go on: python run.py fit --name 'a b'\n"


def test_held_it_waits_until_somebody_asks():
    process = start("""
signals.hold()
ready()
while not signals.received(): time.sleep(0.01)
print("between two steps", flush=True)
interrupted = signals.Interrupted(signals.received(), agreed=True)
interrupted.kept, interrupted.goes_on = "step 7 is saved", {"--ckpt_path": "last"}
raise interrupted
""")
    process.terminate()
    status, out, error = ended(process)
    assert (status, out) == (143, "between two steps\n")
    assert error.startswith("interrupted by SIGTERM: step 7 is saved; to go on: python run.py fit --name 'a b' --ckpt")


def test_what_can_be_dropped_is_broken_off_though_signals_are_held():
    process = start("""
signals.hold()
try:
    with signals.at_once():
        ready()
        time.sleep(30)
except signals.Interrupted:
    print("dropped", flush=True)
time.sleep(0.1)
raise signals.Interrupted(signals.received(), agreed=True)
""")
    process.send_signal(signal.SIGINT)
    assert ended(process)[:2] == (130, "dropped\n")


def test_a_signal_that_was_held_before_counts_in_what_can_be_dropped():
    process = start("""
signals.hold()
ready()
while not signals.received(): time.sleep(0.01)
with signals.at_once():
    print("never")
""")
    process.terminate()
    assert ended(process)[:2] == (143, "")


def test_what_is_shielded_is_finished_first():
    process = start("""
with signals.shielded():
    ready()
    while not signals.received(): time.sleep(0.01)
    print("started", flush=True)
print("never")
""")
    process.terminate()
    assert ended(process)[:2] == (143, "started\n")


def test_two_within_half_a_second_are_one():
    """`timeout` sends a second signal to a process that its group's has reached."""
    process = start("signals.hold()\nready()\ntime.sleep(1.5)\nprint('saved', flush=True)")
    process.terminate()
    time.sleep(0.1)
    process.terminate()
    status, out, error = ended(process)
    assert (status, out) == (143, "saved\n")
    assert error.count("interrupted") == 1


def test_a_second_one_ends_at_once_with_all_children():
    process = start("""
child = subprocess.Popen(["sleep", "60"])
signals.hold()
ready()
print(child.pid, flush=True)
while True: hashlib.pbkdf2_hmac("sha256", b"", b"", 30_000_000)  # no bytecode in between
""")
    child = int(process.stdout.readline())
    process.terminate()
    time.sleep(0.7)
    process.send_signal(signal.SIGINT)
    status, out, error = ended(process)
    assert status == 130
    assert error.startswith("interrupted by SIGINT, ended at once by a second signal; to go on: ")
    with pytest.raises(ProcessLookupError):
        for _ in range(100):  # until the kernel has buried it
            os.kill(child, 0)
            time.sleep(0.05)


def test_a_main_thread_that_does_not_get_out_is_ended_by_force():
    process = start("""
ready()
while True: hashlib.pbkdf2_hmac("sha256", b"", b"", 30_000_000)
""")
    time.sleep(0.5)  # until it is inside
    process.terminate()
    status, _, error = ended(process)
    assert status == 143
    assert "ended by force: it was busy inside a library" in error


def test_a_verb_that_ends_by_itself_after_a_signal_has_not_finished():
    process = start("signals.hold()\nready()\ntime.sleep(0.5)")
    process.terminate()
    assert ended(process)[:2] == (143, "")


def test_an_error_that_a_signal_has_caused_is_told_as_such():
    process = start("""
signals.hold()
ready()
while not signals.received(): time.sleep(0.01)
raise RuntimeError("connection closed by peer\\nand more")
""")
    process.terminate()
    status, _, error = ended(process)
    assert status == 143
    assert error.startswith("interrupted by SIGTERM: it ended with: connection closed by peer; to go on: ")


def test_an_error_without_a_signal_stays_what_it_is():
    process = start("ready()\nraise RuntimeError('a bug')")
    status, _, error = ended(process)
    assert status == 1
    assert error.endswith("RuntimeError: a bug\n")


def test_when_the_verb_is_done_a_signal_comes_too_late():
    process = start("ready()", env=os.environ | {"AFTER": "1"})
    time.sleep(0.5)
    process.terminate()
    assert ended(process) == (0, "finished\n", "")


def test_a_forked_childs_signals_are_its_own():
    """The pool of `datasets` ends its processes by SIGTERM."""
    process = start("""
child = os.fork()
if not child:
    time.sleep(30)
time.sleep(0.2)
ready()
os.kill(child, signal.SIGTERM)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
time.sleep(0.3)
""")
    assert ended(process) == (0, "finished\n", "")


def test_signals_are_passed_on_to_a_child_and_raise_nothing_meanwhile():
    process = start("""
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
with signals.forwarded(child.send_signal):
    ready()
    print(child.wait(), flush=True)
raise signals.Interrupted(signals.received())
""")
    time.sleep(0.3)
    process.terminate()
    assert ended(process)[:2] == (143, "-15\n")


def test_the_command_that_goes_on():
    assert with_flags(["run.py", "fit", "--ckpt_path=auto", "--x", "1"], {"--ckpt_path": "last"}) == [
        *["run.py", "fit", "--x", "1"],
        *["--ckpt_path", "last"],
    ]
    assert with_flags(["fit", "--ckpt_path", "a.ckpt"], {"--ckpt_path": "last"}) == ["fit", "--ckpt_path", "last"]
    assert with_flags(["fit", "--ckpt_path", "auto"], {}) == ["fit", "--ckpt_path", "auto"]


def test_descendants():
    with subprocess.Popen(["sh", "-c", "sleep 60 & wait"]) as shell:
        for _ in range(100):
            if len(below := descendants(shell.pid)) == 1:
                break
            time.sleep(0.05)
        assert set(below) < set(descendants(os.getpid()))
        for pid in [*below, shell.pid]:
            os.kill(pid, signal.SIGKILL)
