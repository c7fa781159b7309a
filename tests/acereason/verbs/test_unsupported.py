import pytest
import torch
from lightning.fabric.utilities import device_parser

from acereason.common.errors import UserError
from acereason.verbs.unsupported import check_engine_devices, check_trainer, devices_of

SOUND = {
    "accumulate_grad_batches": 1,
    "gradient_clip_val": None,
    "gradient_clip_algorithm": None,
    "precision": "32-true",
    "log_every_n_steps": 1,
    "val_check_interval": None,
    "num_nodes": 1,
    "accelerator": "cpu",
    "devices": 1,
    "strategy": "auto",
    "callbacks": None,
}
FSDP2 = {"class_path": "lightning.pytorch.strategies.ModelParallelStrategy"} | {
    "init_args": {"data_parallel_size": 8, "tensor_parallel_size": 1}
}


def listed(name: str) -> list[dict]:
    return [{"class_path": "callbacks.Curriculum"}, {"class_path": f"lightning.pytorch.callbacks.{name}"}]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"accumulate_grad_batches": 4}, r"accumulate_grad_batches: must be 1, .*data.stages.NAME.prompts_per_step"),
        ({"gradient_clip_val": 1.0}, r"gradient_clip_val: must be null; model.max_grad_norm"),
        ({"gradient_clip_val": 0.0}, r"gradient_clip_val: must be null"),
        ({"gradient_clip_algorithm": "norm"}, r"gradient_clip_algorithm: must be null"),
        ({"precision": "bf16-mixed"}, r"precision: must be 32-true, not bf16-mixed; model.backbone.compute_dtype"),
        ({"precision": "16-mixed"}, r"precision: must be 32-true"),
        ({"precision": "bf16"}, r"precision: must be 32-true"),
        ({"precision": 64}, r"precision: must be 32-true"),
        ({"log_every_n_steps": 0}, r"log_every_n_steps: must be above 0"),
        ({"val_check_interval": 0.0}, r"val_check_interval: must be above 0"),
        ({"num_nodes": 0}, r"num_nodes: must be above 0"),
        ({"accelerator": "tpu"}, r"accelerator: no 'tpu'; there are auto, cpu"),
        ({"devices": 0}, r"devices: must be"),
        ({"devices": "0"}, r"devices: must be"),
        ({"devices": "two"}, r"devices: must be a number, a list of devices, -1 or auto, not 'two'"),
        ({"devices": [0, 1]}, r"devices: must be the number of processes on a CPU"),
        ({"devices": -1}, r"devices: must be the number of processes on a CPU"),
        ({"accelerator": "gpu", "devices": []}, r"(devices: must be a number|accelerator: gpu, but torch finds no)"),
        ({"strategy": "deepspeed"}, r"strategy: not deepspeed; auto for one process, ModelParallelStrategy"),
        ({"strategy": FSDP2 | {"class_path": "x.FSDPStrategy"}}, r"strategy: not FSDPStrategy"),
        ({"strategy": "ModelParallelStrategy"}, r"strategy.data_parallel_size: give the number, not auto"),
        (
            {"strategy": FSDP2 | {"init_args": {"data_parallel_size": 1, "tensor_parallel_size": 8}}},
            r"strategy.tensor_parallel_size: must be 1, not 8",
        ),
        ({"callbacks": listed("GradientAccumulationScheduler")}, r"callbacks: GradientAccumulationScheduler does not"),
        ({"callbacks": listed("StochasticWeightAveraging")}, r"callbacks: StochasticWeightAveraging does not"),
        ({"callbacks": listed("Timer")}, r"callbacks: Timer .* trainer.max_time does the same"),
        ({"callbacks": listed("Timer")[1]}, r"callbacks: Timer"),
    ],
    ids=str,
)
def test_what_can_not_work(settings, told):
    with pytest.raises(UserError, match=f"^trainer.{told}"):
        check_trainer(SOUND | settings, here=True)


@pytest.mark.parametrize(
    "settings",
    [
        {"precision": None},
        {"precision": 32},
        {"devices": "auto"},
        {"devices": "2"},
        {"strategy": FSDP2},
        {"callbacks": listed("EarlyStopping")},
        {"val_check_interval": 0.5},
    ],
    ids=str,
)
def test_what_can(settings):
    check_trainer(SOUND | settings, here=True)


@pytest.mark.parametrize("devices", [8, "8", -1, "auto", [0, 1], "0,1", "1,"], ids=str)
def test_gpus_of_another_machine(devices, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    check_trainer(SOUND | {"accelerator": "gpu", "devices": devices}, here=False)
    with pytest.raises(UserError, match="^trainer.accelerator: gpu, but torch finds no GPU on this machine"):
        check_trainer(SOUND | {"accelerator": "gpu", "devices": devices}, here=True)


@pytest.mark.parametrize(
    ("devices", "shown"),
    [([4, 5, 6, 7], "4,5,6,7"), ([3], "3"), ("2,3", "2,3"), ("3,", "3"), ("[1, 2]", "1,2"), ([1, 0], "1,0")],
    ids=str,
)
def test_engines_are_on_their_trainers_gpus_or_nowhere(devices, shown, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    told = f"^trainer.devices: .* not on {shown}; set CUDA_VISIBLE_DEVICES={shown} in the environment"
    with pytest.raises(UserError, match=f"{told}, and trainer.devices: {shown.count(',') + 1}$"):
        check_engine_devices(devices, "VLLMEngine")
    check_engine_devices(devices, "HFEngine")  # which is where its trainer is
    check_engine_devices(devices, "")


def test_gpus_of_those_that_a_process_sees(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3,6,7")
    with pytest.raises(UserError, match="CUDA_VISIBLE_DEVICES=6,7 in the environment, and trainer.devices: 2$"):
        check_engine_devices([2, 3], "VLLMEngine")


@pytest.mark.parametrize("devices", ["auto", -1, "-1", 8, "8", 1, [0], "0,", "0,1", [0, 1, 2, 3]], ids=str)
def test_the_first_gpus_are_an_engines_too(devices):
    check_engine_devices(devices, "VLLMEngine")


@pytest.mark.parametrize("devices", ["2,3", [3], "3,", [4, 5, 6, 7]], ids=str)
def test_lists_are_read_as_lightning_reads_them(devices, monkeypatch):
    monkeypatch.setattr(device_parser, "_get_all_available_gpus", lambda **_: list(range(8)))
    assert devices_of(devices) == device_parser._parse_gpu_ids(devices, include_cuda=True)


@pytest.mark.parametrize(("devices", "taken"), [("3", 3), (3, 3), ("-1", 8), (-1, 8)], ids=str)
def test_numbers_are_the_first_gpus(devices, taken, monkeypatch):
    monkeypatch.setattr(device_parser, "_get_all_available_gpus", lambda **_: list(range(8)))
    assert device_parser._parse_gpu_ids(devices, include_cuda=True) == list(range(taken))
    assert devices_of(devices) is None
