"""Replacements for parts of Lightning's Trainer: signals, checkpoints, the ranks' meeting point, and sharded saves."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.fabric.utilities.device_dtype_mixin import _update_properties
from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.trainer import call
from lightning.pytorch.trainer.connectors.checkpoint_connector import _CheckpointConnector
from lightning.pytorch.trainer.connectors.signal_connector import _SignalConnector
from lightning.pytorch.trainer.states import TrainerFn
from torch.distributed.checkpoint.state_dict import get_model_state_dict, get_optimizer_state_dict
from torch.optim import Optimizer
from typing_extensions import override

from acereason.modules.base import QwenModule
from acereason.modules.hooks import callbacks_of
from acereason.processes import ports
from acereason.verbs.fitting import (
    fitting,
    refuse_other_run,
    refuse_other_weights,
    refuse_shards,
    restore_callbacks,
)


# why: on a signal Lightning ends with status 0, and broadcasts within the handler, where other ranks don't join
class Deaf(_SignalConnector):
    """A signal connector that registers no handlers; `acereason.processes.signals` handles signals."""

    @override
    def register_signal_handlers(self) -> None:
        pass


class Fitting(_CheckpointConnector):
    """Refuses a checkpoint that doesn't fit model, data or callbacks in one line, if possible before it is read."""

    _loaded_checkpoint: Mapping[str, Any]

    def __init__(self, trainer: pl.Trainer, module: QwenModule) -> None:
        super().__init__(trainer)
        self.module = module

    @override
    def resume_start(self, checkpoint_path: Any = None, weights_only: bool | None = None) -> None:
        if checkpoint_path:
            module, path = self.module, Path(checkpoint_path)
            refuse_shards(path, isinstance(self.trainer.strategy, ModelParallelStrategy))
            refuse_other_weights(path, {name: list(tensor.shape) for name, tensor in module.state_dict().items()})
            if self.trainer.state.fn == TrainerFn.FITTING:
                refuse_other_run(path, module.data, module.optimizer_settings())
        super().resume_start(checkpoint_path, weights_only)

    @override
    def restore_datamodule(self) -> None:
        with fitting(Path(str(self._ckpt_path)), type(self.module.data).__name__):
            super().restore_datamodule()

    @override
    def restore_callbacks(self) -> None:
        if self._loaded_checkpoint:
            call._call_callbacks_on_load_checkpoint(self.trainer, self._loaded_checkpoint)
            restore_callbacks(
                callbacks_of(self.trainer, pl.Callback), self._loaded_checkpoint, Path(str(self._ckpt_path))
            )


class Rendezvous(LightningEnvironment):
    """Lets the ranks that Lightning starts meet at a port that the system gives to no other connection."""

    _main_port: int

    @classmethod
    def replace(cls, strategy: Any) -> None:
        """Turn the strategy's cluster environment, if it is Lightning's own, into this class."""
        environment = getattr(strategy, "cluster_environment", None)
        if type(environment) is LightningEnvironment:
            environment.__class__ = cls

    @property
    @override
    def main_port(self) -> int:
        # why: Lightning chooses a port that the system may give to any connection, seconds before rank 0 listens there:
        # on a busy machine it may be taken by then
        if self._main_port == -1 and "MASTER_PORT" not in os.environ:
            self._main_port = ports.lasting()
        return super().main_port


# why: Lightning takes all shards to the machine's memory first, 12 bytes a parameter; torch's writer one at a time. It
# knows nothing of offloading
class Shards(ModelParallelStrategy):
    """Saves a sharded checkpoint straight from the devices that hold its shards, and leaves offloaded ones where they
    are."""

    @classmethod
    def replace(cls, strategy: Any) -> None:
        """Turn a ModelParallelStrategy into this class."""
        # why: a config names Lightning's class, so that the object is changed after Lightning has made it
        if type(strategy) is ModelParallelStrategy:
            strategy.__class__ = cls

    @override
    def model_to_device(self) -> None:
        module = self.lightning_module
        if not _offloads(module):
            super().model_to_device()
            return
        # why: FSDP2 wants offloaded parameters to stay on the CPU; all else was made on the device
        _update_properties(module, device=self.root_device)

    @override
    def _get_process_group_backend(self) -> str:
        chosen = super()._get_process_group_backend()
        # why: the norm of offloaded gradients is summed over ranks on the CPU, which NCCL can't
        return (
            f"cpu:gloo,{self.root_device.type}:{chosen}"
            if _offloads(self.lightning_module) and chosen == "nccl"
            else chosen
        )

    @override
    def lightning_module_state_dict(self) -> dict[str, Any]:
        if not self._save_distributed_checkpoint:
            return super().lightning_module_state_dict()
        assert self.model is not None
        return get_model_state_dict(self.model)

    @override
    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        if not self._save_distributed_checkpoint:
            return super().optimizer_state(optimizer)
        assert self.model is not None
        return get_optimizer_state_dict(self.model, getattr(optimizer, "_optimizer", optimizer))


def _offloads(module: pl.LightningModule | None) -> bool:
    return isinstance(module, QwenModule) and module.backbone.offload
