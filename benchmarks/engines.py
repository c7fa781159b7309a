"""From which size on does vLLM generate faster than the embedded engine?

    python -m benchmarks.engines [--sizes 0.8M 30M 135M 0.5B] [--prompts 8] [--group_size 8] [--tokens 32] [--rounds 3]

Both engines in one process, with the same random weights in float32, generate for the same prompts in turn, each on as
many threads as OMP_NUM_THREADS says; random weights hardly ever end a response, so both make all tokens. Prints medians
over rounds of tokens a second, and of vLLM's processor time beside the embedded engine's, which a busy machine disturbs
less. The 0.5B model has 6 of its 24 layers, so that two copies fit on a small machine.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import torch

from acereason.common.types import Problem, Sampling
from acereason.models.backbone import Backbone, load_config
from acereason.models.bytes import byte_tokenizer
from acereason.models.exports import stream_weights
from acereason.models.qwen import build_model
from acereason.rollouts.engine import RolloutEngine
from acereason.rollouts.hf import HFEngine
from benchmarks.policies import SIZES as POLICIES
from benchmarks.race import median_ratio
from benchmarks.report import Row, print_rows


def _shape(vocabulary: int, hidden: int, inner: int, layers: int, heads: int, kv_heads: int) -> dict[str, int | bool]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
    }


SIZES = {
    "0.8M": POLICIES["0.8M"],
    "30M": _shape(49152, 384, 1024, 6, 6, 2),
    "135M": _shape(49152, 576, 1536, 30, 9, 3),
    "0.5B": _shape(151936, 896, 4864, 6, 14, 2),
}
"""transformers' Qwen2Config: the quickstart's, and SmolLM2-135M's and Qwen2.5-0.5B's as their authors publish them."""
PROMPT = 32
"""Tokens of a prompt."""


def engines_of(size: str) -> dict[str, RolloutEngine]:
    """Both, with the same weights."""
    from acereason.rollouts.vllm import VLLMEngine

    torch.manual_seed(0)
    tokenizer, backbone = byte_tokenizer(), Backbone(config=SIZES[size], tokenizer="bytes")
    model = build_model(load_config(None, backbone), None, backbone, seed=0)
    engines: dict[str, RolloutEngine] = {"HFEngine": HFEngine(), "VLLMEngine": VLLMEngine()}
    for engine in engines.values():
        engine.start(model.config, tokenizer, [tokenizer.eos_token_id], torch.device("cpu"), longest=1024)
        engine.update_weights(stream_weights(model, torch.float32), version=0)
    return engines


def compare(size: str, prompts: int, group_size: int, tokens: int, rounds: int) -> list[Row]:
    """Both in turn; the first round warms up."""
    problems = [
        Problem(id=str(n), task="math", statement="", answer="", source="", prompt_ids=list(range(n, n + PROMPT)))
        for n in range(prompts)
    ]
    seconds: dict[str, list[float]] = {}
    processor: dict[str, list[float]] = {}
    engines = engines_of(size)
    for step in range(1 + rounds):
        for name, engine in engines.items():
            wall, own = time.perf_counter(), time.process_time()
            groups = list(engine.generate(problems, Sampling(1.0, tokens), group_size, seed=step))
            made = sum(len(rollout.response.token_ids) for group in groups for rollout in group.rollouts)
            seconds.setdefault(name, []).append((time.perf_counter() - wall) / made)
            processor.setdefault(name, []).append((time.process_time() - own) / made)
    embedded, vllm = ((seconds[name][1:], processor[name][1:]) for name in engines)
    label = f"{size}, {SIZES[size]['vocab_size']:,} tokens, {prompts * group_size} responses"
    return [
        Row(f"{label}, HFEngine: tokens", 1 / median(embedded[0]), "a second"),
        Row(f"{label}, VLLMEngine: tokens", 1 / median(vllm[0]), "a second"),
        Row(f"{label}, VLLMEngine / HFEngine: tokens a second", median_ratio(embedded[0], vllm[0]), "ratio"),
        Row(f"{label}, the same by processor time", median_ratio(embedded[1], vllm[1]), "ratio"),
    ]


def measure(
    sizes: list[str] | None = None, prompts: int = 8, group_size: int = 8, tokens: int = 32, rounds: int = 3
) -> list[Row]:
    """All rows, each size in a process of its own: vLLM starts once in a process."""
    rows = []
    for size in sizes or list(SIZES):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "rows.json")
            arguments = (size, prompts, group_size, tokens, rounds)
            code = f"from benchmarks.engines import written; written({str(path)!r}, *{arguments!r})"
            subprocess.run([sys.executable, "-c", code], check=True, stdout=sys.stderr)
            rows += [Row(**row) for row in json.loads(path.read_text())]
    return rows


def written(path: str, *arguments: Any) -> None:
    """In the process: one size's rows, into a file."""
    Path(path).write_text(json.dumps([asdict(row) for row in compare(*arguments)]))


def main() -> None:
    """Compare and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--group_size", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    print_rows(measure(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
