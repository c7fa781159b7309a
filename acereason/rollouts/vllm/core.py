"""vLLM in this process. Import it by `loading.local_core`, which sets the variables that vLLM reads at its import."""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor
from typing_extensions import override
from vllm import EngineArgs, SamplingParams
from vllm.config import WeightTransferConfig
from vllm.distributed import cleanup_dist_env_and_memory, parallel_state
from vllm.inputs.engine import tokens_input
from vllm.platforms import current_platform
from vllm.sampling_params import RequestOutputKind
from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend
from vllm.v1.engine.llm_engine import LLMEngine

from acereason.common.errors import UserError
from acereason.common.types import Sampling
from acereason.rollouts.vllm.requests import Completion, CoreSettings, InProcess, Place, Request
from acereason.rollouts.vllm.transfer import BACKEND, homes, transfer

# why: vLLM's own number for offline use of an A100, half of its number for an H100. For an engine that is stepped by
# hand it would take 2,048, which reads prompts in four times as many steps
BATCHED_TOKENS = 8192
"""Tokens of prompts and responses that a GPU computes in one step."""


class LocalCore(InProcess):
    """vLLM's engine, stepped by hand, so that a group can be judged while others are still generated."""

    def __init__(self, settings: CoreSettings) -> None:
        self.settings = settings
        arguments = _arguments(settings)
        _check_heads(arguments)
        # why: vLLM seeds the global generators of this process, which are the trainer's
        with _as_it_was(), isolate_rng():
            self.engine = LLMEngine.from_engine_args(arguments)

    @override
    def generate(self, requests: list[Request], sampling: Sampling) -> Generator[Completion, None, None]:
        places = {str(number): request.place for number, request in enumerate(requests)}
        for name, request in zip(places, requests, strict=True):
            self.engine.add_request(name, tokens_input(request.prompt_ids), self._params(sampling, request.seed))
        try:
            while self.engine.has_unfinished_requests():
                for output in self._step():
                    yield _completion(places.pop(output.request_id), output)
        finally:
            # why: a caller that stops asking leaves unfinished requests, which would run on in the next call
            self.engine.abort_request(list(places))

    @override
    def load(self, buckets: Iterator[list[tuple[str, Tensor]]]) -> None:
        if self.settings.sleep:
            self.engine.wake_up(["weights"])
        transfer(self.engine, buckets)
        # why: the cache comes back last: a weight on its way needs memory too
        if self.settings.sleep:
            self.engine.wake_up(["kv_cache"])
        # why: cached prefixes hold keys and values of the old weights
        self.engine.reset_prefix_cache()

    @override
    def homes(self) -> dict[str, Tensor] | None:
        return homes(self.engine)

    @override
    def sleep(self) -> None:
        # why: level 1 would keep a copy of the weights in the machine's memory, and all of them are replaced anyway
        self.engine.sleep(level=2)

    @override
    def close(self) -> None:
        with _sparing_ranks() if self.settings.launched else nullcontext():
            self.engine.engine_core.shutdown()
        del self.engine
        if not self.settings.launched:
            cleanup_dist_env_and_memory()

    def _step(self) -> list[Any]:
        # why: enforce_eager leaves vLLM's sampler compiled, for 4 to 8 s of a process on a CPU; what it gains is less
        with torch.compiler.set_stance("force_eager") if self.settings.enforce_eager else nullcontext():
            return self.engine.step()

    def _params(self, sampling: Sampling, seed: int) -> SamplingParams:
        return SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_response_length,
            seed=seed,
            stop_token_ids=list(self.settings.stop_ids),
            # why: nothing ends a response but the stop tokens above and the budget, as in the embedded engine
            ignore_eos=True,
            logprobs=0,  # of the sampled token alone
            flat_logprobs=True,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )


def _arguments(settings: CoreSettings) -> EngineArgs:
    return EngineArgs(
        model=settings.folder,
        load_format="dummy",
        skip_tokenizer_init=True,
        dtype=settings.dtype,
        max_model_len=settings.max_length,
        max_num_seqs=settings.max_num_seqs,
        kv_cache_memory_bytes=settings.cache_bytes,
        # why: with the cache's size given it is only a check at the start, which a trainer on the GPU would fail
        gpu_memory_utilization=0.01,
        enforce_eager=settings.enforce_eager,
        max_num_batched_tokens=None if current_platform.is_cpu() else max(BATCHED_TOKENS, settings.max_num_seqs),
        # why: vLLM 0.32 on a CPU can't take back the draw of a request that has its own seed and half of its prompt
        enable_chunked_prefill=not current_platform.is_cpu(),
        enable_sleep_mode=settings.sleep,
        tensor_parallel_size=settings.tensor_parallel_size,
        distributed_executor_backend="external_launcher" if settings.launched else "uni",
        # why: log-probs at the temperature, as the trainer's; vLLM's default leaves it out
        logprobs_mode="processed_logprobs",
        weight_transfer_config=WeightTransferConfig(backend=BACKEND),
        disable_log_stats=True,
        seed=0,
    )


def _check_heads(arguments: EngineArgs) -> None:
    if not current_platform.is_cpu():
        return
    size, sizes = arguments.create_model_config().get_head_size(), CPUAttentionBackend.get_supported_head_sizes()
    if size not in sizes:
        raise UserError(
            f"model.backbone.config: heads of {size} (hidden_size / num_attention_heads); on a CPU vLLM can do "
            f"{', '.join(map(str, sizes))}"
        )


@contextmanager
def _sparing_ranks() -> Iterator[None]:
    """Keep vLLM's shutdown from destroying the trainer's default process group; its own groups it does destroy."""
    # why: vLLM's own function destroys the default group as well, which it has only borrowed
    destroy = parallel_state.destroy_distributed_environment
    parallel_state.destroy_distributed_environment = _leave_ranks
    try:
        yield
    finally:
        parallel_state.destroy_distributed_environment = destroy


def _leave_ranks() -> None:
    if parallel_state._WORLD:
        parallel_state._WORLD.destroy()
    parallel_state._WORLD = parallel_state._NODE_COUNT = None


def _completion(place: Place, output: Any) -> Completion:
    response = output.outputs[0]
    return Completion(place, list(response.token_ids), list(response.logprobs.logprobs), response.finish_reason)


@contextmanager
def _as_it_was() -> Iterator[None]:
    """Undo changes that vLLM makes to a process that it takes for its own: torch.set_num_threads, the number of
    threads, and LD_PRELOAD, the libraries that child processes load first."""
    set_num_threads, threads, preload = torch.set_num_threads, torch.get_num_threads(), os.environ.get("LD_PRELOAD")
    try:
        yield
    finally:
        torch.set_num_threads = set_num_threads
        # why: vLLM leaves one thread on a GPU, and models are built and exported on the CPU
        torch.set_num_threads(threads)
        if preload is None:
            os.environ.pop("LD_PRELOAD", None)
        else:
            os.environ["LD_PRELOAD"] = preload
