"""The rollout engine that generates with vLLM, in the trainer's process or in one of its own."""

import importlib.util
import os
import tempfile
from collections.abc import Iterator
from typing import Literal

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from transformers import PreTrainedTokenizerBase
from typing_extensions import override

from acereason.common.errors import UserError
from acereason.common.seeds import derive_seed
from acereason.common.types import Problem, Response, Sampling
from acereason.models.family import QwenConfig, copy_of, head_size
from acereason.processes.distributed import gather, rank, world_size
from acereason.rollouts.engine import Ended, EngineMemory, RolloutEngine
from acereason.rollouts.vllm.child import ChildCore
from acereason.rollouts.vllm.loading import local_core
from acereason.rollouts.vllm.requests import Completion, Core, CoreSettings, Place, Request
from acereason.rollouts.weights import checked, in_buckets, shapes_of

_GIB = 2**30


class VLLMEngine(RolloutEngine):
    """Generates with vLLM, one engine a rank. It holds its own copy of the weights, which only `update_weights` sets.

    Args:
        placement: `colocated`: in the trainer's process and on its device. `separate`: in a process of its own; on a
            machine of 4 ranks and 8 GPUs, the engines of the ranks on GPUs 0 to 3 are on GPUs 4 to 7.
        dtype: of weights and computation; null takes the trainer's `backbone.compute_dtype`, which keeps the log-probs
            close. On a GPU float32 is slow.
        cache_gib: of keys and values, GiB. `preflight` tells how many responses it holds.
        max_num_seqs: responses that are generated at a time.
        enforce_eager: no compilation and no CUDA graphs: starts in seconds, generates more slowly.
        tensor_parallel_size: consecutive ranks that share one engine, colocated; each then holds a part of the weights.
        sleep: free the device's memory, weights and cache, while the trainer updates (GPUs; vLLM's sleep level 2).
        bucket_mib: weights on their way at a time, MiB; of a separate engine without room for it in /dev/shm, less.
        sync_seconds: how long a separate engine may take for a bucket before it counts as hung.
    """

    def __init__(
        self,
        placement: Literal["colocated", "separate"] = "colocated",
        dtype: Literal["float32", "bfloat16"] | None = None,
        cache_gib: float = 1.0,
        max_num_seqs: int = 256,
        enforce_eager: bool = True,
        tensor_parallel_size: int = 1,
        sleep: bool = False,
        bucket_mib: int = 256,
        sync_seconds: float = 60.0,
    ) -> None:
        for name in ("cache_gib", "max_num_seqs", "tensor_parallel_size", "bucket_mib", "sync_seconds"):
            if locals()[name] <= 0:
                raise ValueError(f"{name} must be above 0, not {locals()[name]}")
        if placement == "separate" and (tensor_parallel_size > 1 or sleep):
            raise ValueError("placement: a separate engine has one device to itself: no tensor_parallel_size, no sleep")
        self.placement, self.cache_gib, self.max_num_seqs = placement, cache_gib, max_num_seqs
        self.dtype, self._follows = dtype or "float32", dtype is None
        self.enforce_eager, self.tensor_parallel_size, self._sleeps = enforce_eager, tensor_parallel_size, sleep
        self.bucket_mib, self.sync_seconds = bucket_mib, sync_seconds
        self.weights_dtype, self.concurrent = getattr(torch, self.dtype), placement == "separate"
        self.in_lockstep = tensor_parallel_size > 1
        self.core: Core | None = None

    @override
    def follow(self, dtype: Literal["float32", "bfloat16"]) -> None:
        if self._follows:
            self.dtype, self.weights_dtype = dtype, getattr(torch, dtype)

    @override
    def start(
        self,
        config: QwenConfig,
        tokenizer: PreTrainedTokenizerBase,
        stop_ids: list[int],
        device: torch.device,
        longest: int,
        ranks: int = 1,
    ) -> None:
        self._check(device, rank() % ranks)
        self.tokenizer, self.shapes = tokenizer, shapes_of(config)
        # why: vLLM reads the model's shape from a folder, at its start alone; weights come by `update_weights`
        with tempfile.TemporaryDirectory() as folder:
            _write_config(config, self.dtype, folder)
            settings = CoreSettings(
                folder=folder,
                dtype=self.dtype,
                max_length=longest,
                cache_bytes=int(self.cache_gib * _GIB),
                max_num_seqs=self.max_num_seqs,
                enforce_eager=self.enforce_eager,
                stop_ids=tuple(stop_ids),
                sleep=self._sleeps,
                tensor_parallel_size=self.tensor_parallel_size,
                launched=self.placement == "colocated" and torch.distributed.is_initialized(),
            )
            separate = self.placement == "separate"
            self.core = self._separate(settings, device, ranks) if separate else _colocated(settings, ranks)

    @override
    def responses(self, problems: list[Problem], sampling: Sampling, num_rollouts: int, seed: int) -> Iterator[Ended]:
        if self.core is None or self.policy_version is None:
            raise RuntimeError("the vLLM engine has no weights: a weight sync must come before, and succeed")
        requests = [
            Request(Place(rank(), p, i), problem.prompt_ids, derive_seed(seed, problem.id, i))
            for p, problem in enumerate(problems)
            for i in range(num_rollouts)
        ]
        for completion in self.core.generate(self._with_neighbours(requests), sampling):
            place = completion.place
            # why: ranks that share an engine get the completions of all of them
            if place.rank == rank():
                yield problems[place.problem], place.rollout, self._response(completion, sampling)

    @override
    def update_weights(self, named_tensors: Iterator[tuple[str, Tensor]], version: int) -> None:
        assert self.core is not None, "start comes first"
        # why: no version until all weights are in: after a failure half way the engine refuses to generate
        self.policy_version = None
        weights = checked(named_tensors, self.shapes, self.weights_dtype)
        self.core.load(in_buckets(weights, self.bucket_mib * 2**20))
        self.policy_version = version

    @override
    def sleep(self) -> None:
        if self._sleeps and self.policy_version is not None:
            # why: sleeping discards the weights
            self.policy_version = None
            assert self.core is not None
            self.core.sleep()

    @override
    def memory(self, config: QwenConfig, parameters: int, longest: int, group_size: int) -> EngineMemory:
        width, heads = self.weights_dtype.itemsize, config.num_key_value_heads or config.num_attention_heads
        return EngineMemory(
            weights=width * parameters / self.tensor_parallel_size,
            cache=self.cache_gib * _GIB,
            token=2 * width * config.num_hidden_layers * heads * head_size(config) / self.tensor_parallel_size,
            responses=self.max_num_seqs,
            ranks=self.tensor_parallel_size,
            sleeps=self._sleeps,
            separate=self.placement == "separate",
        )

    @override
    def close(self) -> None:
        if self.core is not None:
            # why: forgotten first, so that a close that fails is not tried again
            core, self.core, self.policy_version = self.core, None, None
            core.close()

    def _separate(self, settings: CoreSettings, device: torch.device, ranks: int) -> Core:
        environment = {}
        if device.type != "cpu":
            # why: the ranks have the machine's first GPUs, and their engines as many after those
            if device.index + ranks >= (count := torch.cuda.device_count()):
                raise UserError(
                    f"model.engine.placement: separate takes as many GPUs again as the {ranks} of trainer.devices, and "
                    f"this machine shows {count}; lower trainer.devices, or use colocated"
                )
            device = torch.device(device.type, device.index + ranks)
            environment = {"CUDA_VISIBLE_DEVICES": _visible(device.index)}
        return ChildCore(settings, environment, device, ranks, self.bucket_mib * 2**20, self.sync_seconds)

    def _with_neighbours(self, requests: list[Request]) -> list[Request]:
        """Return the requests of all ranks that share this engine, the same on each of them."""
        # why: every part of a tensor-parallel engine must be stepped with the same requests in the same order
        size = self.tensor_parallel_size
        if size == 1:
            return requests
        return [request for request in gather(requests) if request.place.rank // size == rank() // size]

    def _response(self, completion: Completion, sampling: Sampling) -> Response:
        tokens, greedy = completion.token_ids, sampling.temperature == 0
        # why: a greedy sampler draws its token with probability 1
        logprobs = [0.0] * len(tokens) if greedy else completion.logprobs
        text = str(self.tokenizer.decode(tokens, skip_special_tokens=True))
        return Response(tokens, logprobs, completion.finish_reason, text)

    def _check(self, device: torch.device, local_rank: int) -> None:
        if importlib.util.find_spec("vllm") is None:
            raise UserError("model.engine: vLLM is not installed; the README has the two commands, for a GPU and a CPU")
        if world_size() % self.tensor_parallel_size:
            raise UserError(
                f"model.engine.tensor_parallel_size: {self.tensor_parallel_size} does not divide {world_size()} ranks"
            )
        # why: vLLM takes the local rank for its device; Lightning may choose another, such as an exclusive GPU
        if device.type != "cpu" and device.index != local_rank:
            raise UserError(
                f"trainer.devices: rank {rank()} is on GPU {device.index}, and its engine would be on {local_rank}; "
                "choose GPUs by CUDA_VISIBLE_DEVICES, and let trainer.devices be their number"
            )
        if device.type == "cuda" and self.dtype == "float32":
            rank_zero_warn("model.engine.dtype: float32 on a GPU: vLLM's fast attention is for bfloat16; set that")
        if device.type == "cpu" and self._sleeps:
            raise UserError("model.engine.sleep: vLLM sleeps on GPUs only; set it to false")


def _colocated(settings: CoreSettings, ranks: int) -> Core:
    # why: vLLM splits Lightning's NCCL communicator, which is bound to a device, for each of its groups: every rank
    # makes as many, in one order, so that they meet: some 80 splits on 8 ranks and 320 on 32, seconds to half a minute.
    # Where a start hangs on GPUs, look here first. vLLM wants a launcher's variables, of which Lightning sets a part
    if settings.launched:
        os.environ |= {"RANK": str(rank()), "LOCAL_RANK": str(rank() % ranks), "WORLD_SIZE": str(world_size())}
    return local_core(settings)


def _write_config(config: QwenConfig, dtype: str, folder: str) -> None:
    # why: a copy: the dtype is the engine's alone
    copy_of(config, dtype).save_pretrained(folder)


def _visible(index: int) -> str:
    # why: this process's numbers count its visible devices; the child's variable takes the machine's names for them
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[index] if visible else str(index)
