"""Writes the tables of docs/memory.md that tell which model fits on how many GPUs by which options, and how fast.

python -m docs.memory_table
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

import torch

from acereason.common.files import write_atomically
from acereason.models.backbone import Backbone
from acereason.models.lora import Lora
from acereason.modules.grpo import GRPOModule
from acereason.rollouts.vllm import VLLMEngine
from acereason.verbs.preflight.cost import FILLS, SPEEDS, Drawn, generation_seconds, offload_seconds, update_seconds
from acereason.verbs.preflight.memory import DEVICES, SPARE, count_parameters, estimate, estimate_machine

PAGE = Path(__file__).with_name("memory.md")
BEGIN, END = "<!-- python -m docs.memory_table -->\n", "<!-- end -->\n"
DEVICE, GPUS = "h100-80gb", (1, 2, 8)
PROMPTS, GROUP, PROMPT, BUDGET = 128, 8, 1024, 8192
"""The step: the recipe's `math_8k` with groups of 8. The same sequences are the rows of SFT's update."""


def _shape(hidden: int, intermediate: int, layers: int, heads: int, keys: int, **others: Any) -> dict[str, Any]:
    names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
    sizes = dict(zip(names, (hidden, intermediate, layers, heads, keys), strict=True))
    return {"vocab_size": 151936, "tie_word_embeddings": False} | sizes | others


_QWEN3 = {"model_type": "qwen3", "head_dim": 128}
MODELS = {
    "Qwen2.5-Math-1.5B": _shape(1536, 8960, 28, 12, 2, tie_word_embeddings=True),
    "Qwen3-4B": _shape(2560, 9728, 36, 32, 8, tie_word_embeddings=True, **_QWEN3),
    "Qwen2.5-Math-7B": _shape(3584, 18944, 28, 28, 4, vocab_size=152064),
    "Qwen3-14B": _shape(5120, 17408, 40, 40, 8, **_QWEN3),
}
"""The shapes that their config.json has."""


class AdamW8bit(torch.optim.AdamW):
    """Stands for torchao's, which need not be installed."""


OPTIONS: dict[str, tuple[dict[str, Any], Any]] = {
    "none": ({}, torch.optim.AdamW),
    "8-bit AdamW": ({}, AdamW8bit),
    "adapters": ({"lora": Lora()}, torch.optim.AdamW),
    "offload": ({"offload": True}, torch.optim.AdamW),
}
"""{name: (settings of the backbone, optimizer)}."""


@cache
def module(model: str, option: str) -> GRPOModule:
    """Return what trains, without weights."""
    settings, optimizer = OPTIONS[option]
    backbone = Backbone(MODELS[model], "bytes", gradient_checkpointing=True, compute_dtype="bfloat16", **settings)
    engine = VLLMEngine(cache_gib=16, sleep=True, enforce_eager=False)
    return GRPOModule(engine=engine, backbone=backbone, optimizer=optimizer, micro_batch_tokens=32768, group_size=GROUP)


@cache
def parameters(model: str) -> int:
    """Return the number of a model's parameters."""
    return count_parameters(module(model, "none").config)


@cache
def needs(model: str, option: str, gpus: int) -> dict[str, float]:
    """Return {phase: bytes on each GPU}, and those of the machine."""
    trained, number = module(model, option), parameters(model)
    phases = estimate(trained, number, gpus, PROMPT + BUDGET, GROUP)
    machine = estimate_machine(trained, number, gpus, made=False)
    return {phase: sum(parts.values()) for phase, parts in (phases | {"machine": machine}).items()}


@cache
def tokens_a_second(model: str, option: str, gpus: int) -> tuple[float, float]:
    """Return the response tokens a second of SFT and of RL."""
    trained, number, speed = module(model, option), parameters(model), SPEEDS[DEVICE]
    drawn = Drawn(PROMPTS * GROUP, FILLS * BUDGET, BUDGET)
    tokens = drawn.responses * drawn.mean
    updates = update_seconds(trained, number, speed, gpus, [(drawn.mean, drawn.responses)])
    updates += offload_seconds(trained, number, speed, gpus, tokens, 1)
    engine = trained.engine.memory(trained.config, number, PROMPT + BUDGET, GROUP)
    return tokens / updates, tokens / (updates + generation_seconds(engine, speed, gpus, drawn))


def render() -> str:
    """The tables."""
    rows = [(model, option) for model in MODELS for option in OPTIONS]
    heads = " | ".join(f"{gpus} GPU{'s' * (gpus > 1)}" for gpus in GPUS)
    memory = [f"| GB: generating, updating | | {heads} | the machine |", "|---|---|---|---|---|---|"]
    speed = [f"| tokens a second: SFT, RL | | {heads} |", "|---|---|---|---|---|"]
    for model, option in rows:
        found = [needs(model, option, gpus) for gpus in GPUS]
        cells = [f"{_gb(each['generating'])}, {_gb(each['updating'])}" for each in found]
        machine = ", ".join(f"{each['machine'] / 1e9:.0f}" for each in found)
        memory.append(f"| {model} | {option} | {' | '.join(cells)} | {machine} |")
        rates = [_rates(model, option, gpus) for gpus in GPUS]
        speed.append(f"| {model} | {option} | {' | '.join(rates)} |")
    return "\n".join([*memory, "", *speed]) + "\n"


def _gb(size: float) -> str:
    text = f"{size / 1e9:.0f}"
    return text if _fits(size) else f"**{text}**"


def _fits(size: float) -> bool:
    return size <= (1 - SPARE) * DEVICES[DEVICE]


def _rates(model: str, option: str, gpus: int) -> str:
    found, (sft, rl) = needs(model, option, gpus), tokens_a_second(model, option, gpus)
    if not _fits(found["updating"]):
        return "no"
    return f"{_rounded(sft)}, {_rounded(rl) if _fits(found['generating']) else 'no'}"


def _rounded(rate: float) -> str:
    return f"{float(f'{rate:.2g}'):,.0f}"


def within(page: str) -> str:
    """Return the page with the tables of now."""
    pattern = f"(?<={re.escape(BEGIN)}).*?(?={re.escape(END)})"
    return re.sub(pattern, lambda _: render(), page, flags=re.DOTALL)


if __name__ == "__main__":
    write_atomically(PAGE, within(PAGE.read_text()))
