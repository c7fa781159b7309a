import signal
import socket
import subprocess
import sys

import pytest
import torch

from acereason.processes import distributed
from acereason.processes.distributed import signal_store
from acereason.processes.tensors import end_if_interrupted
from tests.support.killed_runs import ONE_THREAD

RANK = """
import os, signal, sys, time
import torch, torch.distributed as dist
from acereason.processes import signals
from acereason.processes import distributed
from acereason.processes.distributed import signal_store
from acereason.processes.tensors import end_if_interrupted

rank, mode = int(os.environ["RANK"]), sys.argv[1]
with signals.listening(["python", "run.py", "fit"], alone=True):
    dist.init_process_group("gloo")
    signals.share(signal_store, lambda seconds: None)
    if mode == "alone":  # before anything was agreed on
        dist.barrier()
        if rank == 1:
            os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(60)
    end_if_interrupted(torch.device("cpu"))
    try:
        with signals.at_once():
            if rank == 1:  # the other learns of it in the middle of what takes long
                os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(60)
    except signals.Interrupted:
        print(f"rank {rank} dropped it", flush=True)
    end_if_interrupted(torch.device("cpu"))
"""


def two(mode: str) -> tuple[list[int], list[str], list[str]]:
    """Status, output and errors of two ranks."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    base = ONE_THREAD | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "PYTHONPATH": "."}
    command = [sys.executable, "-c", RANK, mode]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    ranks = [subprocess.Popen(command, env=base | {"RANK": str(rank)}, **pipes) for rank in (0, 1)]
    said = [rank.communicate(timeout=90) for rank in ranks]
    return [rank.returncode for rank in ranks], [out for out, _ in said], [error for _, error in said]


@pytest.mark.slow
def test_a_signal_to_one_rank_ends_both_at_the_same_place():
    statuses, outs, errors = two("agreed")
    assert statuses == [128 + signal.SIGUSR1] * 2, errors
    assert outs == ["rank 0 dropped it\n", "rank 1 dropped it\n"]
    assert errors == ["interrupted by SIGUSR1; to go on: python run.py fit\n", ""]  # rank 0 tells


@pytest.mark.slow
def test_before_ranks_have_agreed_on_anything_all_leave_at_once():
    statuses, _, errors = two("alone")
    assert statuses == [128 + signal.SIGUSR1] * 2, errors
    assert errors == ["interrupted by SIGUSR1; to go on: python run.py fit\n", ""]


def test_a_single_process_needs_no_store():
    assert signal_store() is None
    end_if_interrupted(torch.device("cpu"))  # nobody has sent a signal


def test_neighbours_go_to_different_ranks(monkeypatch):
    monkeypatch.setattr(distributed, "world_size", lambda: 3)
    shares = []
    for rank in range(3):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        shares.append(distributed.dealt(list(range(8))))
    assert shares == [[0, 3, 6], [1, 4, 7], [2, 5]]
