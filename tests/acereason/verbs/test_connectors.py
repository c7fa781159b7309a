from dataclasses import replace

import pytest
import torch
import torch.distributed as dist
from lightning.fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from lightning.pytorch.strategies import ModelParallelStrategy, SingleDeviceStrategy
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor

from acereason.models.backbone import load_config
from acereason.models.qwen import build_model
from acereason.modules.base import QwenModule
from acereason.processes import ports
from acereason.verbs.connectors import Rendezvous, Shards
from tests.support.fakes import BACKBONE, tiny_qwen
from tests.support.forked_ranks import on_ranks


def tensors(value) -> list[torch.Tensor]:
    """All that are anywhere in it."""
    if isinstance(value, dict | list | tuple):
        return [tensor for each in (value.values() if isinstance(value, dict) else value) for tensor in tensors(each)]
    return [value] if isinstance(value, torch.Tensor) else []


def saved(mesh: DeviceMesh) -> tuple[dict, dict]:
    """What goes into a checkpoint after an update, of the model and of AdamW, and the strategy that gives it."""
    strategy = ModelParallelStrategy(mesh.size(), 1)
    Shards.replace(strategy)
    strategy.model = build_model(load_config(None, BACKBONE), None, BACKBONE, 0, mesh)
    optimizer = torch.optim.AdamW(strategy.model.parameters())
    for parameter in strategy.model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return strategy.lightning_module_state_dict(), strategy.optimizer_state(optimizer)


def test_a_checkpoint_holds_shards_of_weights_and_of_both_moments():
    def work(mesh):
        model, optimizer = saved(mesh)
        moments = [each[name] for each in optimizer["state"].values() for name in ("exp_avg", "exp_avg_sq")]
        held = sum(tensor.to_local().numel() for tensor in moments)
        return all(isinstance(tensor, DTensor) for tensor in [*model.values(), *moments]), held

    (sharded, first), (_, second) = on_ranks(2, work)
    assert sharded
    assert first == second == sum(parameter.numel() for parameter in tiny_qwen().parameters())  # half of both moments


@pytest.mark.gpu
def test_it_is_not_taken_to_the_machine_before_it_is_written(tmp_path):
    torch.cuda.set_device(0)
    dist.init_process_group("nccl", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        model, optimizer = saved(init_device_mesh("cuda", (1,), mesh_dim_names=("data_parallel",)))
        large = [tensor for tensor in tensors([model, optimizer]) if tensor.numel() > 1]
        assert len(large) > 3 * len(list(model)) - 3
        assert {tensor.device.type for tensor in large} == {"cuda"}
    finally:
        dist.destroy_process_group()


def test_other_strategies_stay_what_they_are():
    other = SingleDeviceStrategy()
    Shards.replace(other)
    assert type(other) is SingleDeviceStrategy


class Ranks:
    def __init__(self, environment):
        self.cluster_environment = environment


def test_ranks_meet_at_a_port_that_no_connection_is_given(monkeypatch):
    monkeypatch.delenv("MASTER_PORT", raising=False)
    first, last = ports._given()
    ranks = Ranks(LightningEnvironment())
    Rendezvous.replace(ranks)
    port = ranks.cluster_environment.main_port
    assert port < first or port > last
    assert ranks.cluster_environment.main_port == port


def test_a_port_that_is_set_is_taken(monkeypatch):
    monkeypatch.setenv("MASTER_PORT", "40123")
    ranks = Ranks(LightningEnvironment())
    Rendezvous.replace(ranks)
    assert ranks.cluster_environment.main_port == 40123


def test_launchers_that_choose_the_port_themselves_stay():
    ranks = Ranks(TorchElasticEnvironment())
    Rendezvous.replace(ranks)
    assert type(ranks.cluster_environment) is TorchElasticEnvironment
    Rendezvous.replace(SingleDeviceStrategy())


@pytest.mark.parametrize(
    ("offload", "kept_on", "backend"), [(False, "meta", "nccl"), (True, "cpu", "cpu:gloo,cuda:nccl")]
)
def test_offloaded_parameters_stay_where_fsdp2_wants_them(offload, kept_on, backend):
    """And their norms are summed there. The module computes on the device in any case."""
    module = QwenModule(backbone=replace(BACKBONE, offload=offload))
    module.model = tiny_qwen()
    strategy = ModelParallelStrategy(1, 1)
    Shards.replace(strategy)
    strategy.connect(module)
    strategy.cluster_environment = LightningEnvironment()
    strategy.parallel_devices = [torch.device("meta")]  # instead of a GPU
    strategy.model_to_device()
    assert {parameter.device.type for parameter in module.parameters()} == {kept_on}
    assert module.device == torch.device("meta")
    strategy.parallel_devices = [torch.device("cuda", 0)]
    assert strategy._get_process_group_backend() == backend
    strategy.parallel_devices = [torch.device("cpu")]
    assert strategy._get_process_group_backend() == "gloo"
