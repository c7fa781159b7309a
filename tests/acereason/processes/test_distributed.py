import signal
import socket
import subprocess
import sys

import pytest
import torch

from acereason.processes import distributed
from acereason.processes.distributed import claimed, shares, signal_store
from acereason.processes.tensors import end_if_interrupted, exchanged
from tests.support.killed_runs import ONE_THREAD
from tests.support.limits import HANG

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


def two(mode: str, code: str = RANK) -> tuple[list[int], list[str], list[str]]:
    """Status, output and errors of two ranks."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    base = ONE_THREAD | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "PYTHONPATH": "."}
    command = [sys.executable, "-c", code, mode]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    ranks = [subprocess.Popen(command, env=base | {"RANK": str(rank)}, **pipes) for rank in (0, 1)]
    said = [rank.communicate(timeout=HANG) for rank in ranks]
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


ENDING = """
import time
from datetime import timedelta
from torch.distributed import TCPStore
from acereason.processes import signals

store = TCPStore("127.0.0.1", 0, is_master=True)
asked = []

class Slow:
    def check(self, keys):
        asked.append(keys)
        store.wait(["never set"], timedelta(seconds=1))

class Late:  # Python's end takes time
    def __del__(self, sleep=time.sleep):
        sleep(3)

late = Late()
with signals.listening(["python", "run.py", "fit"], alone=True):
    signals.share(lambda: (Slow(), 2), lambda seconds: None)
    while not asked:
        time.sleep(0.01)
"""


def test_a_process_may_end_while_its_listener_asks_the_store():
    ended = subprocess.run([sys.executable, "-c", ENDING], env=ONE_THREAD | {"PYTHONPATH": "."}, timeout=HANG)
    assert ended.returncode == 0


def test_a_single_process_needs_no_store():
    assert signal_store() is None
    end_if_interrupted(torch.device("cpu"))  # nobody has sent a signal


SHARING = """
import os, sys, time
import torch.distributed as dist
from acereason.processes.distributed import claimed, gather
from acereason.processes.tensors import exchanged

dist.init_process_group("gloo")
rank = dist.get_rank()
for slow in (0, 1, 0):
    mine = []
    for number in claimed(7):
        mine.append(number)
        time.sleep(0.5 if rank == slow else 0.05)
    taken = gather([mine])
    assert sorted(taken[0] + taken[1]) == list(range(7)) and all(part == sorted(part) for part in taken), taken
    assert len(taken[slow]) == 1, taken  # the other one takes over what waits
assert dist.distributed_c10d._get_default_store().check(["acereason/claims/0"]) is False
own = [(rank, item) for item in ("a", "b" * 10_000, "c")]
kept = exchanged(own, [1, 1, 0] if rank == 0 else [1, 0, 1])
assert kept == ([(0, "c"), (1, "b" * 10_000)], [(0, "a"), (0, "b" * 10_000), (1, "a"), (1, "c")])[rank], kept
assert exchanged([], []) == []
print("shared")
"""


@pytest.mark.slow
def test_two_ranks_take_numbers_when_they_are_free_and_exchange_items():
    statuses, outs, errors = two("", SHARING)
    assert statuses == [0, 0], errors
    assert outs == ["shared\n"] * 2


def test_a_single_process_takes_all_and_keeps_all():
    assert list(claimed(3)) == [0, 1, 2]
    assert exchanged(["a", "b"], [0, 0]) == ["a", "b"]


@pytest.mark.parametrize(
    ("costs", "most", "expected"),
    [
        ([1, 1, 1, 1, 1], None, [0, 1, 2, 0, 1]),
        ([1, 9, 2, 3, 3], None, [2, 0, 1, 1, 2]),  # sums 9, 3 + 2, 3 + 1
        ([5, 5, 5, 90, 5, 5], 2, [1, 2, 1, 0, 2, 0]),
        ([], None, []),
    ],
)
def test_shares_have_like_sums(costs, most, expected):
    assert shares(costs, 3, most) == expected


def test_costs_are_dealt_evenly(monkeypatch):
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    dealt = []
    for rank in range(2):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        dealt.append(distributed.dealt(list("abcdef"), [1, 8, 2, 3, 1, 1]))
    assert dealt == [["b"], ["a", "c", "d", "e", "f"]]


def test_neighbours_go_to_different_ranks(monkeypatch):
    monkeypatch.setattr(distributed, "world_size", lambda: 3)
    shares = []
    for rank in range(3):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        shares.append(distributed.dealt(list(range(8))))
    assert shares == [[0, 3, 6], [1, 4, 7], [2, 5]]
