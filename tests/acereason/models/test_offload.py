"""Offloading changes where things are, and nothing that is learnt: bit for bit what FSDP2 gives without it."""

from dataclasses import replace

import pytest
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.nn.utils import clip_grad_norm_

from acereason.algorithm.batching import collate
from acereason.common.types import Sequence
from acereason.models.backbone import load_config
from acereason.models.exports import export, load_weights, stream_weights
from acereason.models.qwen import Qwen, build_model
from acereason.models.sharding import pin_exactly
from acereason.processes.tensors import local, whole
from tests.support.fakes import BACKBONE, TOKENIZER
from tests.support.forked_ranks import on_ranks

SEQUENCES = [Sequence(list(b"12+34=46"), 3, 0.12345679), Sequence(list(b"1+1=2"), 4, -1 / 3)]


def built(mesh, dtype: str, offload: bool) -> Qwen:
    backbone = replace(BACKBONE, compute_dtype=dtype, offload=offload)
    return build_model(load_config(None, backbone), None, backbone, 0, mesh)


def learn(model: Qwen, updates: int = 3) -> tuple[list[float], torch.optim.Optimizer]:
    """Updates of two micro batches each, clipped; the norms of their gradients, and the optimizer."""
    optimizer, norms = torch.optim.AdamW(model.parameters(), lr=1e-2, fused=True), []
    for _ in range(updates):
        for sequence in SEQUENCES:
            batch = collate([sequence], next(model.buffers()).device)
            model.policy_loss(batch, 1.0, 64)[0].backward()
        norm = clip_grad_norm_(model.parameters(), 1.0, error_if_nonfinite=True)
        norms.append(whole(norm).item())
        optimizer.step()
        optimizer.zero_grad()
    return norms, optimizer


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("ranks", [1, 2])
def test_every_weight_is_that_of_a_run_without_it(ranks, dtype):
    def work(mesh):
        found = []
        for offload in (False, True):
            model = built(mesh, dtype, offload)
            norms, _ = learn(model)
            found.append({name: tensor.tolist() for name, tensor in stream_weights(model)} | {"norms": norms})
        return found

    for plain, offloaded in on_ranks(ranks, work):
        assert offloaded == plain
        assert min(plain["norms"]) > 1  # each was clipped


@pytest.fixture
def gpu(tmp_path):
    """A mesh of one GPU, whose ranks could talk on the CPU too."""
    torch.cuda.set_device(0)
    dist.init_process_group("cpu:gloo,cuda:nccl", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield init_device_mesh("cuda", (1,), mesh_dim_names=("data_parallel",))
    dist.destroy_process_group()


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_on_a_gpu_all_is_kept_beside_it(gpu, dtype):
    model = built(gpu, dtype, offload=True)
    norms, optimizer = learn(model)
    moments = [tensor for state in optimizer.state.values() for tensor in state.values()]
    assert {local(tensor).device.type for tensor in [*model.parameters(), *moments]} == {"cpu"}
    assert all(local(parameter).is_pinned() for parameter in model.parameters())
    plain = built(gpu, dtype, offload=False)
    expected, _ = learn(plain)
    assert norms == pytest.approx(expected, rel=1e-4)
    weights = dict(stream_weights(plain))
    for name, tensor in stream_weights(model):
        assert tensor.device.type == "cuda"
        torch.testing.assert_close(tensor, weights[name], rtol=0, atol=1e-3)  # a tenth of an update


@pytest.mark.gpu
def test_on_a_gpu_an_export_comes_back(gpu, tmp_path):

    model = built(gpu, "float32", offload=True)
    before = {name: tensor.cpu() for name, tensor in stream_weights(model)}
    export(model, TOKENIZER, tmp_path / "out", is_writer=True)
    learn(model, updates=1)
    load_weights(model, tmp_path / "out")
    for name, tensor in stream_weights(model):
        assert torch.equal(tensor.cpu(), before[name])
    assert all(local(parameter).device.type == "cpu" for parameter in model.parameters())


@pytest.mark.gpu
def test_on_a_gpu_pinned_memory_is_what_is_asked_for(gpu):
    """Not the next power of two: 5 x 17 MiB is 85, not 160."""

    pin_exactly()
    before = torch.cuda.host_memory_stats()["allocated_bytes.current"]
    held = [torch.empty(17 * 2**18).pin_memory() for _ in range(5)]
    assert torch.cuda.host_memory_stats()["allocated_bytes.current"] - before == 5 * 17 * 2**20
    assert len(held) == 5
