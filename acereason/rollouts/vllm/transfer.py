"""A backend of vLLM's weight-transfer interface for weights that are in this process as tensors.

vLLM ships backends that fetch the weights themselves. `nccl` makes both sides meet in every broadcast: where one of
them has died the other waits inside a kernel, where no deadline reaches it. `ipc` exports CUDA memory, and has no CPU
form. Here the trainer hands over buckets of tensors, by reference within a process and by shared memory between two,
and all the rest is vLLM's: its loader maps Hugging Face's names to its fused parameters, and its layer-wise reload
writes into the memory that captured CUDA graphs refer to. Registered with vLLM under `BACKEND`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from vllm.distributed.weight_transfer import WeightTransferEngineFactory
from vllm.distributed.weight_transfer.base import (
    WeightTransferEngine,
    WeightTransferInitInfo,
    WeightTransferUpdateInfo,
)
from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead
from vllm.model_executor.model_loader.reload import finalize_layerwise_reload, initialize_layerwise_reload
from vllm.platforms import current_platform
from vllm.v1.engine.llm_engine import LLMEngine

from acereason.common.errors import first_line
from acereason.rollouts.vllm.plan import Plan, pack
from acereason.rollouts.weights import copy_finite

BACKEND = "acereason"


class Nothing(WeightTransferInitInfo):
    """Empty initialisation data: the weights come as arguments, so there is no connection to set up."""


@dataclass
class Bucket(WeightTransferUpdateInfo):
    """Some of the weights, as full tensors by Hugging Face name."""

    weights: list[tuple[str, Tensor]]


class BucketTransfer(WeightTransferEngine[Nothing, Bucket]):
    """Loads weights bucket by bucket; between start and finish the model is unusable."""

    init_info_cls = Nothing
    update_info_cls = Bucket

    plan: Plan | None = None
    """The way of all updates but the first on a CPU."""
    planned = False
    """Whether a plan has been tried for."""

    def init_transfer_engine(self, init_info: Nothing) -> None:
        """Do nothing: there is no connection."""

    def start_weight_update(self) -> None:
        """Begin an update, in which each layer is written once all of its weights have come."""
        self.shapes: dict[str, torch.Size] = {}
        if self.plan is not None:
            self.plan.begin()
        else:
            initialize_layerwise_reload(self.model)

    def receive_weights(self, update_info: Bucket) -> None:
        """Load one bucket."""
        if self.plan is None:
            load: Any = self.model.load_weights
            load(self._as_vllm_takes_them(update_info.weights))
            return
        for name, weight in update_info.weights:
            self.plan.write(name, weight)

    def finish_weight_update(self) -> None:
        """Write the layers that are processed only after all weights have come."""
        if self.plan is None:
            finalize_layerwise_reload(self.model, self.model_config)
        for module in self.model.modules():
            # why: vLLM 0.32 on a CPU: a tied lm_head keeps a packed copy of the embedding that no reload makes anew
            if isinstance(module, ParallelLMHead) and hasattr(module, "cpu_linear"):
                pack(module)

    def learn(self) -> None:
        """After a first whole update: find out how the next ones can do without vLLM's reload."""
        # why: on a GPU a layer has its parameters as they are loaded, and nothing is packed; ranks that share an engine
        # have a part of each weight, but all must raise where it is not finite
        if self.planned or not current_platform.is_cpu() or self.parallel_config.world_size > 1:
            return
        self.planned = True
        try:
            self.plan = Plan(self.model, self.shapes, self.model_config.dtype)
        except Exception as error:  # why: whatever vLLM's inner parts raise, its own way is still there
            rank_zero_warn(f"each weight sync takes vLLM's own way, which is slower: {first_line(error)}")

    def _as_vllm_takes_them(self, weights: list[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
        for name, weight in weights:
            self.shapes[name] = weight.shape
            if weight.dtype != self.model_config.dtype:
                converted = torch.empty_like(weight, dtype=self.model_config.dtype)
                copy_finite(name, converted, weight)
                weight = converted
            yield name, weight

    def shutdown(self) -> None:
        """Do nothing: there is no connection."""

    @staticmethod
    def trainer_send_weights(iterator: Iterator[Any], trainer_args: Any) -> None:
        """Refuse: the trainer sends by `transfer`."""
        # why: vLLM 0.26 builds no backend that lacks this method
        raise NotImplementedError


WeightTransferEngineFactory.register_engine(BACKEND, BucketTransfer)


@torch.no_grad()
def transfer(engine: LLMEngine, buckets: Iterator[list[tuple[str, Tensor]]]) -> None:
    """Replace all weights of an engine in this process. An error of `buckets` is raised after the update has been
    ended; the weights are then a mixture until a next, whole update."""
    engine.collective_rpc("start_weight_update")
    try:
        for bucket in buckets:
            engine.collective_rpc("update_weights", kwargs={"update_info": {"weights": bucket}})
    finally:
        engine.collective_rpc(_end)
    engine.collective_rpc(_learn)


def homes(engine: LLMEngine) -> dict[str, Tensor] | None:
    """Return the plan's; None where there is none."""
    plans = [plan for plan in engine.collective_rpc(_plan) if plan is not None]
    return plans[0].homes() if plans else None


def _plan(worker: Any) -> Plan | None:
    return worker.weight_transfer_engine.plan


def _learn(worker: Any) -> None:
    worker.weight_transfer_engine.learn()


def _end(worker: Any) -> None:
    # why: where vLLM itself failed it has ended the update already
    if worker._weight_update_active:
        worker.finish_weight_update()
