"""Two processes that know each other by gloo; one of them fails."""

import os
import socket
import subprocess
import sys
import time

import pytest

from tests.support.killed_runs import ONE_THREAD
from tests.support.limits import HANG

RANK = """
import hashlib, os, sys, time
import torch, torch.distributed as dist
from acereason.processes import failure
from acereason.processes import signals
from acereason.processes.distributed import signal_store

failure.GRACE_SECONDS = 3.0
rank, failing, busy, undoing = int(os.environ["RANK"]), int(sys.argv[1]), sys.argv[2], sys.argv[3]

def describe(error):
    return 2, f"error: rank {rank}: {error}\\n"

def wait_somewhere(where):
    if where == "collective":
        dist.barrier()
    elif where == "library":
        while True: hashlib.pbkdf2_hmac("sha256", b"", b"", 3_000_000)
    elif where == "generation":
        while True: time.sleep(0.01)
    elif where == "error":
        time.sleep(0.2)
        raise RuntimeError("a consequence")
    elif where == "end":
        pass

with signals.listening(["python", "run.py", "fit"], alone=True, describe=describe):
    dist.init_process_group("gloo")
    signals.share(signal_store, lambda seconds: None)
    dist.barrier()
    time.sleep(0.3)
    if rank != failing:
        wait_somewhere(busy)
    else:
        try:
            raise ValueError("the cause")
        except ValueError as error:
            signals.failed(error)
            wait_somewhere(undoing)  # an engine's shutdown, that of the process group
            dist.destroy_process_group()
            raise
print("finished", flush=True)
"""


def two(failing: int, busy: str, undoing: str = "end") -> tuple[list[int], list[str], list[str], float]:
    """Status, output and errors of two ranks, and how long they took."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    base = ONE_THREAD | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "PYTHONPATH": "."}
    command = [sys.executable, "-c", RANK, str(failing), busy, undoing]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    ranks = [subprocess.Popen(command, env=base | {"RANK": str(rank)}, **pipes) for rank in (0, 1)]
    start = time.monotonic()
    said = [rank.communicate(timeout=HANG) for rank in ranks]
    seconds = time.monotonic() - start
    return [rank.returncode for rank in ranks], [out for out, _ in said], [error for _, error in said], seconds


@pytest.mark.slow
@pytest.mark.parametrize(
    ("failing", "busy", "undoing"),
    [
        (1, "collective", "end"),
        (0, "library", "end"),
        (1, "error", "generation"),  # which the failing rank doesn't get out of
    ],
)
def test_a_rank_that_fails_ends_the_other_and_tells_why(failing, busy, undoing):
    statuses, outs, errors, _ = two(failing, busy, undoing)
    assert statuses == [2, 2], errors
    assert outs == ["", ""]
    assert errors[failing] == f"error: rank {failing}: the cause\n"
    assert errors[1 - failing] == ""


@pytest.mark.nightly
@pytest.mark.parametrize("failing", [0, 1])
@pytest.mark.parametrize("busy", ["collective", "library", "generation", "error", "end"])
@pytest.mark.parametrize("undoing", ["collective", "library", "generation", "end"])
def test_wherever_they_are(failing, busy, undoing):
    statuses, outs, errors, seconds = two(failing, busy, undoing)
    assert statuses == [2, 2], errors
    assert errors[failing].splitlines()[-1] == f"error: rank {failing}: the cause"
    assert (outs, errors[1 - failing]) == (["", ""], "")
    assert seconds < HANG


def test_a_single_process_fails_as_ever():
    code = """
from acereason.processes import signals
with signals.listening(["x"], alone=True):
    error = ValueError("the cause")
    signals.failed(error)
    raise error
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ValueError: the cause"
