"""How weights get into another process; that process is real, the engine in it is not needed."""

import multiprocessing
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from acereason.common.errors import UserError
from acereason.rollouts.vllm import buffers
from acereason.rollouts.vllm.buffers import SHARED, allocate, buffer_bytes, connected, handle_of, opened, parts, take

MIB = 2**20
WEIGHTS = [
    ("large", torch.arange(300, dtype=torch.float32).view(30, 10)),
    ("small", torch.tensor([1.5, -2.0], dtype=torch.bfloat16)),
    ("turned", torch.arange(6.0).view(2, 3).t()),  # not contiguous
    ("whole", torch.arange(128, dtype=torch.bfloat16).view(2, 64)),
]


def sent(size: int, dtype: torch.dtype, homes=None) -> tuple[list[tuple[str, torch.Tensor]], list[int]]:
    """The weights through a buffer in this process, and how full it was each time."""
    buffer, growing, whole, full = torch.zeros(size, dtype=torch.uint8), {}, [], []
    for filling in parts(iter(WEIGHTS), size, dtype):
        taken = take(buffers.write(filling, buffer), buffer, growing, homes)
        whole += taken if homes is None else [(name, tensor.clone()) for name, tensor in taken]
        full.append(sum(part.size * dtype.itemsize for part, _ in filling))
        buffer.fill_(255)  # what has been taken must not lie there any more
    assert not growing
    return whole, full


@pytest.mark.parametrize("homes", [None, {}], ids=["copies", "as they lie there"])
@pytest.mark.parametrize(
    ("size", "dtype", "fillings"),
    [
        (64, torch.float32, 29),  # of 1,200, 8, 24 and 512 bytes, each from a multiple of 64 on
        (256, torch.float32, 8),
        (1024, torch.float32, 2),
        (MIB, torch.float32, 1),
        (64, torch.bfloat16, 16),  # of 600, 4, 12 and 256 bytes
        (256, torch.bfloat16, 4),
        (1024, torch.bfloat16, 1),
    ],
)
def test_weights_arrive_whole_whatever_the_buffers_size(size, dtype, fillings, homes):
    whole, full = sent(size, dtype, homes)
    assert [name for name, _ in whole] == [name for name, _ in WEIGHTS]
    for (_, mine), (_, theirs) in zip(whole, WEIGHTS, strict=True):
        assert (mine.dtype, torch.equal(mine, theirs.to(dtype))) == (dtype, True)
    assert max(full) <= size
    assert len(full) == fillings


def test_a_weight_larger_than_a_buffer_grows_where_the_engine_has_it():
    home = torch.zeros(30, 10)
    whole, _ = sent(256, torch.float32, {"large": home})
    assert torch.equal(home, WEIGHTS[0][1])
    assert torch.equal(whole[0][1], home)


def test_a_weight_that_is_finite_in_float32_alone_is_not_sent_in_bfloat16():
    weights = [("w", torch.tensor([1.0, torch.finfo(torch.float32).max]))]
    buffer = torch.zeros(64, dtype=torch.uint8)
    (filling,) = parts(iter(weights), 64, torch.float32)
    buffers.write(filling, buffer)
    (filling,) = parts(iter(weights), 64, torch.bfloat16)
    with pytest.raises(RuntimeError, match="weight sync: w has 1 of 2 values that are not finite"):
        buffers.write(filling, buffer)


def _engine(pipe, visible: str | None) -> None:
    """The other process: opens the buffers, then answers each filling with the weights that have come whole."""
    if visible is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible
    ours, growing = [opened(handle) for handle in pipe.recv()], {}
    pipe.send("" if [int(buffer[0]) for buffer in ours] == [0, 1] else "other bytes")
    while (message := pipe.recv()) is not None:
        number, arrived = message
        device = str(ours[number].device)
        pipe.send([(name, device, t.dtype, t.cpu().tolist()) for name, t in take(arrived, ours[number], growing, None)])


def through_a_process(device: torch.device, method: str, visible: str | None = None) -> list[tuple]:
    """What a process that sees its device alone has received, through buffers of 1 KiB."""
    context = multiprocessing.get_context(method)
    pipe, theirs = context.Pipe()
    process = context.Process(target=_engine, args=(theirs, visible), daemon=True)
    process.start()

    def ask(handles):
        pipe.send(handles)
        return pipe.recv()

    ours = connected(1024, device, 1, ask)
    assert all(buffer.device == device for buffer in ours)
    arrived = []
    for number, filling in enumerate(parts(((n, t.to(device)) for n, t in WEIGHTS), 1024, torch.float32)):
        pipe.send((number % 2, buffers.write(filling, ours[number % 2])))
        arrived += pipe.recv()
    pipe.send(None)
    process.join(30)
    assert process.exitcode == 0
    return arrived


def test_another_process_sees_the_same_memory():
    arrived = through_a_process(SHARED, "fork")
    assert arrived == [(name, "cpu", torch.float32, tensor.tolist()) for name, tensor in WEIGHTS]


@pytest.mark.gpu
def test_the_way_between_devices_gives_the_same_weights_as_the_one_through_shared_memory():
    """The engine's device is the last one, which the other process sees as its first."""
    last = torch.cuda.device_count() - 1
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(last + 1)))).split(",")[last]
    arrived = through_a_process(torch.device("cuda", last), "spawn", visible)
    assert arrived == [(name, "cuda:0", torch.float32, tensor.tolist()) for name, tensor in WEIGHTS]
    assert [w[0::2] for w in arrived] == [w[0::2] for w in through_a_process(SHARED, "spawn")]


def test_what_cuda_refuses_goes_through_shared_memory_and_is_told(monkeypatch):
    told = []
    monkeypatch.setattr(buffers, "rank_zero_warn", told.append)
    ours = connected(1024, torch.device("cuda", 99), 1, lambda handles: "")  # no machine has it
    assert {buffer.device for buffer in ours} == {SHARED}
    assert "can't go to the engine from device to device" in told[0]


def test_an_engine_that_can_not_open_them_ends_the_start():
    with pytest.raises(RuntimeError, match="can't see the trainer's memory: no such handle"):
        connected(1024, SHARED, 1, lambda handles: "no such handle")


def test_a_handle_opens_the_buffer_not_a_copy():
    ours = allocate(64, SHARED)
    theirs = [opened(handle_of(buffer)) for buffer in ours]
    ours[1].fill_(7)
    assert [int(buffer[0]) for buffer in theirs] == [0, 7]


@pytest.mark.parametrize(
    ("free", "ranks", "size"),
    [(2**40, 4, 256 * MIB), (64 * MIB, 4, 4 * MIB), (64 * MIB, 1, 16 * MIB), (16 * MIB, 4, 1 * MIB)],
    ids=["room enough", "what Docker gives", "to one rank", "just enough"],
)
def test_buffers_are_as_large_as_shared_memory_allows(monkeypatch, free, ranks, size):
    monkeypatch.setattr(buffers.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    assert buffer_bytes(256 * MIB, ranks, SHARED) == size
    assert buffer_bytes(256 * MIB, ranks, torch.device("cuda", 4)) == 256 * MIB  # which needs none of it


def test_next_to_no_shared_memory_is_refused_in_a_line_that_says_how_to_get_more(monkeypatch):
    monkeypatch.setattr(buffers.shutil, "disk_usage", lambda path: SimpleNamespace(free=MIB))
    with pytest.raises(
        UserError, match=r"model\.engine\.placement: .*/dev/shm, which has 1\.0 MiB free for 4 ranks.*--shm-size=4g"
    ):
        buffer_bytes(256 * MIB, 4, SHARED)


SMALL = """
import torch
from acereason.rollouts.vllm.buffers import SHARED, buffer_bytes, connected, opened, parts, take, write
theirs = []
size = buffer_bytes(256 * 2**20, 1, SHARED)
ours = connected(size, SHARED, 1, lambda handles: theirs.extend(map(opened, handles)) or "")
weight, growing, whole = torch.rand(3_000_000), {}, []
for number, filling in enumerate(parts(iter([("w", weight)]), size, torch.float32)):
    whole += take(write(filling, ours[number % 2]), theirs[number % 2], growing, None)
print(size, [(name, torch.equal(tensor, weight)) for name, tensor in whole])
"""


@pytest.mark.slow
def test_a_weight_larger_than_all_of_shared_memory():
    """12 MB go through a /dev/shm of 8 MiB: what is written beyond its end would kill the process."""
    command = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=8m tmpfs /dev/shm && exec "$0" -c "$1"']
    if subprocess.run([*command, "true", ""], capture_output=True).returncode:
        pytest.skip("this user may not mount")
    done = subprocess.run([*command, sys.executable, SMALL], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{2 * MIB} [('w', True)]\n"), done.stderr
