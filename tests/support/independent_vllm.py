"""A vLLM that shares no code with ours: it loads an exported folder by itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from acereason.common.seeds import derive_seed
from acereason.common.types import Problem
from tests.support.fakes import STOP_IDS


def fresh_vllm(folder: Path, problems: list[Problem], longest: int, tokens: int = 16) -> list[tuple[list, list]]:
    """(tokens, log-probs): a greedy response for each problem, then two each at T = 0.85 with seed 3."""
    from vllm import SamplingParams

    common = {"max_tokens": tokens, "logprobs": 0, "stop_token_ids": STOP_IDS, "detokenize": False}
    params = [SamplingParams(temperature=0, **common) for _ in problems]
    prompts = list(problems)
    for problem in problems:
        for index in range(2):
            params.append(SamplingParams(temperature=0.85, seed=derive_seed(3, problem.id, index), **common))
            prompts.append(problem)
    with loaded(folder, longest) as llm:
        outputs = llm.generate([{"prompt_token_ids": p.prompt_ids} for p in prompts], params, use_tqdm=False)
    found = [output.outputs[0] for output in outputs]
    return [(list(o.token_ids), [e[t].logprob for t, e in zip(o.token_ids, o.logprobs, strict=True)]) for o in found]


def fresh_chat(folder: Path, messages: list[dict], longest: int) -> tuple[Any, Any]:
    """The default sampling, and the answer to messages, asked as `vllm serve` asks: nothing is said of ends."""
    with loaded(folder, longest) as llm:
        (answer,) = llm.chat(messages, use_tqdm=False)
        return llm.get_default_sampling_params(), answer


@contextmanager
def loaded(folder: Path, longest: int) -> Iterator[Any]:
    """vLLM as its documentation starts it."""
    from vllm import LLM
    from vllm.distributed import cleanup_dist_env_and_memory

    llm = LLM(
        str(folder),
        dtype="float32",
        enforce_eager=True,
        max_model_len=longest,
        kv_cache_memory_bytes=1 << 28,
        logprobs_mode="processed_logprobs",
    )
    yield llm
    llm.llm_engine.engine_core.shutdown()
    del llm
    cleanup_dist_env_and_memory()
