"""vLLM's own `LLM.generate`, by interfaces that 0.26 and 0.32 both have."""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.gpu.settings import Settings


def own_generate(settings: Settings, prompts: list[list[int]], repeats: int) -> Iterator[float]:
    """The moment at which it has started; then, for each repeat, tokens a second."""
    os.environ |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1"}
    from vllm import LLM, SamplingParams  # reads them when it is imported

    size = settings.size
    with tempfile.TemporaryDirectory() as folder:
        config = size.config | {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "dtype": "bfloat16"}
        Path(folder, "config.json").write_text(json.dumps(config))
        llm = LLM(
            folder,
            load_format="dummy",
            skip_tokenizer_init=True,
            dtype="bfloat16",
            max_model_len=len(prompts[0]) + size.budget,
            kv_cache_memory_bytes=int(size.cache_gib * 2**30),
            gpu_memory_utilization=0.01,  # only a check at the start, since the cache's size is given
            enforce_eager=settings.device == "cpu",
            logprobs_mode="processed_logprobs",
            enable_chunked_prefill=settings.device != "cpu",  # as our engine has it
            seed=0,
        )
    yield time.perf_counter()
    params = [
        SamplingParams(
            temperature=1.0, max_tokens=size.budget, seed=number, ignore_eos=True, logprobs=0, detokenize=False
        )
        for number in range(len(prompts))
    ]
    requests = [{"prompt_token_ids": prompt} for prompt in prompts]
    for _ in range(repeats):
        started = time.perf_counter()
        outputs = llm.generate(requests, params, use_tqdm=False)
        yield sum(len(output.outputs[0].token_ids) for output in outputs) / (time.perf_counter() - started)
