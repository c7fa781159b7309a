"""Refusal of settings of Lightning's Trainer that don't go with manual optimization, in float32, on an FSDP2 mesh."""

import os
import re
from collections.abc import Mapping
from typing import Any

import torch

from acereason.common.errors import UserError
from acereason.processes.drivers import driver, hidden, no_gpu, too_old

_FLOAT32 = (None, 32, "32", "32-true")
_ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")
_STRATEGIES = ("auto", "single_device", "SingleDeviceStrategy", "ddp", "DDPStrategy", "ModelParallelStrategy")
_COUNTS = re.compile(r"auto|-1|[1-9]\d*|\d+(, *\d+)*,?")
_BY_HAND = "an update is made by hand, and it changes what Lightning's own would do"
_CALLBACKS = {
    "GradientAccumulationScheduler": _BY_HAND,
    "BatchSizeFinder": _BY_HAND,
    "LearningRateFinder": _BY_HAND,
    "StochasticWeightAveraging": "it copies the module, and an engine and verifiers can't be copied",
    "EMAWeightAveraging": "it copies the module, and an engine and verifiers can't be copied",
    "WeightAveraging": "it copies the module, and an engine and verifiers can't be copied",
    "Timer": "trainer.max_time does the same",
}


def check_trainer(settings: Mapping[str, Any], here: bool) -> None:
    """Raise a UserError for a setting of the trainer that can't work. `here`: the run is on this machine, so that its
    devices are checked, too."""
    if settings["accumulate_grad_batches"] != 1:
        raise UserError(
            "trainer.accumulate_grad_batches: must be 1, an update is one batch whatever its size; raise "
            "data.stages.NAME.prompts_per_step or data.batch_size, and model.micro_batch_tokens keeps the memory"
        )
    for name in ("gradient_clip_val", "gradient_clip_algorithm"):
        if settings[name] is not None:
            raise UserError(f"trainer.{name}: must be null; model.max_grad_norm clips the gradient")
    if settings["precision"] not in _FLOAT32:
        raise UserError(
            f"trainer.precision: must be 32-true, not {settings['precision']}; model.backbone.compute_dtype: bfloat16 "
            "computes in bfloat16 beside float32 parameters, see conf/hardware/1gpu.yaml"
        )
    for name in ("log_every_n_steps", "val_check_interval", "num_nodes"):
        if settings[name] is not None and settings[name] <= 0:
            raise UserError(f"trainer.{name}: must be above 0, not {settings[name]}")
    _check_devices(settings["accelerator"], settings["devices"], here)
    _check_classes(settings)


def _check_devices(accelerator: Any, devices: Any, here: bool) -> None:
    if isinstance(accelerator, str) and accelerator not in _ACCELERATORS:
        raise UserError(f"trainer.accelerator: no {accelerator!r}; there are {', '.join(_ACCELERATORS)}")
    if here:
        _check_gpu(accelerator)
    numbers = str(devices).strip("[]") if isinstance(devices, list) else str(devices)
    if not _COUNTS.fullmatch(numbers):
        raise UserError(f"trainer.devices: must be a number, a list of devices, -1 or auto, not {devices!r}")
    on_cpu = accelerator == "cpu" or (here and accelerator == "auto" and not torch.cuda.is_available())
    if on_cpu and not re.fullmatch(r"auto|[1-9]\d*", str(devices)):
        raise UserError(f"trainer.devices: must be the number of processes on a CPU, not {devices!r}")


def check_engine_devices(devices: Any, engine: str) -> None:
    """Raise a UserError if ranks would be on other GPUs than their engines."""
    # why: vLLM numbers its devices from 0 on, whatever Lightning has chosen
    chosen = devices_of(devices)
    if engine == "VLLMEngine" and chosen is not None and chosen != list(range(len(chosen))):
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        shown = ",".join(visible[device] if device < len(visible) > 1 else str(device) for device in chosen)
        raise UserError(
            f"trainer.devices: vLLM's engines are on the first GPUs that there are, not on {shown}; set "
            f"CUDA_VISIBLE_DEVICES={shown} in the environment, and trainer.devices: {len(chosen)}"
        )


def devices_of(devices: Any) -> list[int] | None:
    """Return the devices that Lightning reads as a list from a value; None for a number, -1 and auto, which take the
    first devices.

    Example:
        >>> devices_of("2,3"), devices_of([3]), devices_of("3,"), devices_of("3"), devices_of(-1)
        ([2, 3], [3], [3], None, None)
    """
    if isinstance(devices, list):
        return [int(device) for device in devices]
    if "," in str(devices):
        return [int(device) for device in str(devices).strip("[]").split(",") if device.strip()]
    return None


def _check_gpu(accelerator: Any) -> None:
    wanted = accelerator in ("gpu", "cuda")
    if (wanted or accelerator == "auto") and not hidden() and (why := too_old(driver())):
        raise UserError(f"trainer.accelerator: {accelerator}, but {why}; or set cpu")
    if wanted and not torch.cuda.is_available():
        raise UserError(f"trainer.accelerator: {accelerator}, but {no_gpu(driver())}; or set cpu")


def _check_classes(settings: Mapping[str, Any]) -> None:
    strategy = _class_of(settings["strategy"])
    if strategy not in _STRATEGIES:
        raise UserError(
            f"trainer.strategy: not {strategy}; auto for one process, ModelParallelStrategy (FSDP2) for several, see "
            "conf/hardware/8gpu.yaml"
        )
    if strategy == "ModelParallelStrategy":
        _check_mesh({} if isinstance(settings["strategy"], str) else settings["strategy"].get("init_args") or {})
    callbacks = settings["callbacks"] or []
    for name in map(_class_of, callbacks if isinstance(callbacks, list) else [callbacks]):
        if name in _CALLBACKS:
            raise UserError(f"trainer.callbacks: {name} does not go with this project: {_CALLBACKS[name]}")


def _check_mesh(sizes: Mapping[str, Any]) -> None:
    """Raise a UserError for sizes of the mesh that are not given, or that cut tensors."""
    # why: Lightning's default sizes put the ranks of a machine along tensors, which this project does not cut
    for name in ("data_parallel_size", "tensor_parallel_size"):
        if not isinstance(sizes.get(name), int):
            raise UserError(
                f"trainer.strategy.{name}: give the number, not {sizes.get(name, 'auto')}: data_parallel_size is "
                "devices x num_nodes, tensor_parallel_size is 1"
            )
    if sizes["tensor_parallel_size"] != 1:
        raise UserError(
            f"trainer.strategy.tensor_parallel_size: must be 1, not {sizes['tensor_parallel_size']}; "
            "data_parallel_size is over how many ranks the parameters are sharded"
        )


def _class_of(value: Any) -> str:
    """Return the name of the class that a value of the config asks for."""
    return str(value if isinstance(value, str) else value["class_path"]).rpartition(".")[2]
