"""Ranks as forks of this process: what they are to do needs no imports again."""

import multiprocessing
import tempfile
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh


def on_ranks(ranks: int, work: Callable[[DeviceMesh], Any]) -> list[Any]:
    """What `work` returns on each of them, or the exception that it raises."""
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        pipes = [context.Pipe() for _ in range(ranks)]
        processes = [
            context.Process(target=_rank, args=(rank, ranks, folder, work, theirs), daemon=True)
            for rank, (_, theirs) in enumerate(pipes)
        ]
        for process in processes:
            process.start()
        assert all(ours.poll(120) for ours, _ in pipes), "a rank does not answer"
        answers = [ours.recv() for ours, _ in pipes]
        for process in processes:
            process.join(30)
        return answers


def _rank(rank: int, ranks: int, folder: str, work: Callable[[DeviceMesh], Any], pipe: Any) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=ranks)
    try:
        answer = work(init_device_mesh("cpu", (ranks,), mesh_dim_names=("data_parallel",)))
    except Exception as error:
        answer = error
    dist.barrier()
    pipe.send(answer)
    dist.destroy_process_group()
