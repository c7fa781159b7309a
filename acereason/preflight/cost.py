"""Hours of a run on GPUs, estimated from shapes and three assumptions, never measured; docs/memory.md explains it.

An update is bound by arithmetic, generation by what is read: each step of it reads the engine's weights and the keys
and values of all running responses.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from acereason.modules.base import QwenModule
from acereason.modules.explain import Arithmetic
from acereason.modules.grpo import GRPOModule
from acereason.preflight.checks import Checks
from acereason.preflight.memory import count_parameters
from acereason.rollouts.engine import EngineMemory

COMPUTES = 0.35
"""Share of the peak that an update reaches, recomputation counted as work."""
READS = 0.6
"""Share of the bandwidth that generation reaches."""
FILLS = 0.5
"""Mean response as a share of its budget: 4,000 to 5,000 tokens of 8,192 in the paper's stage 1 (4.5.4)."""


@dataclass(frozen=True)
class Speed:
    """What a device's data sheet says."""

    flops: float
    """Dense bfloat16 products, operations a second."""
    bandwidth: float
    """Of its memory, bytes a second."""


SPEEDS = {
    "a100-40gb": Speed(312e12, 1.555e12),
    "a100-80gb": Speed(312e12, 2.039e12),
    "h100-80gb": Speed(989e12, 3.35e12),
    "h200-141gb": Speed(989e12, 4.8e12),
    "b200-192gb": Speed(2250e12, 8e12),
}
"""By the names of `memory.DEVICES`."""


@dataclass(frozen=True)
class Drawn:
    """Responses that are drawn at one time with one budget."""

    responses: float
    """Over all engines."""
    mean: float
    """Tokens of a response."""
    budget: float
    """Tokens of the longest response: one is always taken to reach its budget."""


def update_seconds(
    module: QwenModule, parameters: int, speed: Speed, ranks: int, lengths: Iterable[tuple[float, float]]
) -> float:
    """Forward and backward of sequences, given as (tokens, how many)."""
    config, lengths = module.config, list(lengths)
    embeddings = (
        0 if config.tie_word_embeddings else config.vocab_size * config.hidden_size
    )  # looked up, not multiplied
    tokens, pairs = sum(n * number for n, number in lengths), sum(n * n * number for n, number in lengths)
    products = 2 * (parameters - embeddings) * tokens
    attention = 2 * config.num_hidden_layers * config.hidden_size * pairs  # half of all pairs: the past alone
    passes = 4 if module.backbone.gradient_checkpointing else 3  # a backward pass costs two, recomputation one more
    return passes * (products + attention) / (ranks * speed.flops * COMPUTES)


def generation_seconds(engine: EngineMemory, speed: Speed, ranks: int, drawn: Drawn) -> float:
    """All tokens with as many responses at a time as there is room for, then the rest of one of the longest, alone."""
    if not engine.responses:
        return 0.0
    bandwidth, own = speed.bandwidth * READS, drawn.responses / ranks * engine.ranks
    held = engine.token * drawn.mean / 2  # on average, over a response's life
    running = min(own, engine.responses, engine.cache / held)
    full, alone = (engine.weights + running * held) / bandwidth, engine.weights / bandwidth
    return own * drawn.mean / running * full + (drawn.budget - drawn.mean) * alone


def stage_seconds(
    module: GRPOModule, parameters: int, stage: Arithmetic, speed: Speed, fills: float
) -> tuple[float, float]:
    """(generating, updating) of all steps of a stage whose responses take this share of their budget on average."""
    engine = module.engine.memory(module.config, parameters, stage.longest, stage.group_size)
    drawn = Drawn(stage.rollouts, fills * stage.budget, stage.budget)
    generates = generation_seconds(engine, speed, stage.ranks, drawn)
    updates = update_seconds(module, parameters, speed, stage.ranks, [(drawn.mean, drawn.responses)])
    return stage.steps * generates, stage.steps * updates


def check_cost(checks: Checks, module: GRPOModule, stages: dict[str, Arithmetic], ranks: int, device: str) -> None:
    """Hours of all stages, at half budgets and at whole ones."""
    parameters, speed = count_parameters(module.config), SPEEDS[device]
    half, whole = (
        [stage_seconds(module, parameters, stage, speed, fills) for stage in stages.values()] for fills in (FILLS, 1.0)
    )
    total, generating = sum(map(sum, half)), sum(seconds for seconds, _ in half)
    message = (
        f"about {total / 3600:,.0f} on {ranks} x {device}, {generating / total:.0%} generating, with responses "
        f"of {FILLS:.0%} of their budget; {sum(map(sum, whole)) / 3600:,.0f} with whole ones; {_assumed(speed)}, "
        f"{READS:.0%} of {speed.bandwidth / 1e12:g} TB/s in generation; without rewards, screening and evaluations"
    )
    checks.add("hours", "ok", message)


def check_sft_cost(
    checks: Checks, module: QwenModule, parameters: int, lengths: list[int], ranks: int, device: str
) -> None:
    """Hours of an epoch."""
    speed = SPEEDS[device]
    seconds = update_seconds(module, parameters, speed, ranks, ((length, 1) for length in lengths))
    checks.add("hours", "ok", f"about {seconds / 3600:,.1f} an epoch on {ranks} x {device}; {_assumed(speed)}")


def _assumed(speed: Speed) -> str:
    return f"an estimate, never measured: {COMPUTES:.0%} of {speed.flops / 1e12:,.0f} TFLOP/s in updates"
