"""This module estimates a run's hours on GPUs from shapes and three assumptions, never measured.

An update is bound by arithmetic, generation by the memory's bandwidth: each step of it reads the engine's weights and
the keys and values of all running responses. docs/memory.md explains the formulae.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from acereason.modules.base import QwenModule
from acereason.modules.explain import Arithmetic
from acereason.modules.grpo import GRPOModule
from acereason.modules.sft import SFTModule
from acereason.rollouts.engine import EngineMemory
from acereason.verbs.preflight.planned import Job

COMPUTES = 0.35
"""Share of the peak that an update reaches, recomputation counted as work."""
READS = 0.6
"""Share of the bandwidth that generation reaches."""
FILLS = 0.5
"""Mean response as a share of its budget: 4,000 to 5,000 tokens of 8,192 in the paper's stage 1 (4.5.4)."""


@dataclass(frozen=True)
class Speed:
    """The speed of a device by its data sheet."""

    flops: float
    """Dense bfloat16 operations a second."""
    bandwidth: float
    """Bandwidth of the memory, bytes a second."""


SPEEDS = {
    "a100-40gb": Speed(312e12, 1.555e12),
    "a100-80gb": Speed(312e12, 2.039e12),
    "h100-80gb": Speed(989e12, 3.35e12),
    "h200-141gb": Speed(989e12, 4.8e12),
    "b200-192gb": Speed(2250e12, 8e12),
}
"""Speeds by the names of `memory.DEVICES`."""


@dataclass(frozen=True)
class Drawn:
    """Responses that are drawn at one time with one budget."""

    responses: float
    """Number of responses, over all engines."""
    mean: float
    """Mean tokens of a response."""
    budget: float
    """Tokens of the longest response: one of them is always taken to reach its budget."""


def update_seconds(
    module: QwenModule,
    parameters: int,
    speed: Speed,
    ranks: int,
    lengths: Iterable[tuple[float, float]],
    further: float = 0.0,
) -> float:
    """Estimate the seconds of forward and backward passes.

    Args:
        module: the module that trains.
        parameters: number of the model's parameters.
        speed: speed of a device.
        ranks: number of devices.
        lengths: (tokens, number of sequences) of the sequences.
        further: forward passes beyond that of the gradient.
    """
    config, lengths = module.config, list(lengths)
    # why: embeddings are looked up, not multiplied; tied ones are the head too, which multiplies
    embeddings = 0 if config.tie_word_embeddings else config.vocab_size * config.hidden_size
    tokens, pairs = sum(n * number for n, number in lengths), sum(n * n * number for n, number in lengths)
    products = 2 * (parameters - embeddings) * tokens
    # why: half of all pairs of tokens, since attention sees the past alone
    attention = 2 * config.num_hidden_layers * config.hidden_size * pairs
    # why: a backward pass costs two forward passes, and recomputation is one more
    passes = further + (4 if module.backbone.gradient_checkpointing else 3)
    return passes * (products + attention) / (ranks * speed.flops * COMPUTES)


def generation_seconds(engine: EngineMemory, speed: Speed, ranks: int, drawn: Drawn) -> float:
    """Estimate the seconds of a step's generation.

    All tokens are generated with as many responses at a time as there is room for; then the longest response goes on
    alone to its budget.
    """
    # why: an engine that replays responses from a file generates none
    if not engine.responses:
        return 0.0
    bandwidth, own = speed.bandwidth * READS, drawn.responses / ranks * engine.ranks
    # why: a response fills its cache token by token, so that on average it holds half of its length
    held = engine.token * drawn.mean / 2
    running = min(own, engine.responses, engine.cache / held)
    full, alone = (engine.weights + running * held) / bandwidth, engine.weights / bandwidth
    return own * drawn.mean / running * full + (drawn.budget - drawn.mean) * alone


def stage_seconds(
    module: GRPOModule, parameters: int, stage: Arithmetic, speed: Speed, fills: float
) -> tuple[float, float]:
    """Estimate the seconds of (generating, updating) in all steps of a stage.

    Args:
        module: the module that trains.
        parameters: number of the model's parameters.
        stage: the stage's numbers.
        speed: speed of a device.
        fills: mean response as a share of its budget.
    """
    engine = module.engine.memory(module.config, parameters, stage.longest, stage.group_size)
    drawn = Drawn(stage.rollouts, fills * stage.budget, stage.budget)
    generates = generation_seconds(engine, speed, stage.ranks, drawn)
    # why: all mini batches but the first pass the policy before the step once more
    further = 1 - 1 / stage.updates if module.off_policy and module.off_policy.old_logprobs == "trainer" else 0.0
    updates = update_seconds(module, parameters, speed, stage.ranks, [(drawn.mean, drawn.responses)], further)
    return stage.steps * generates, stage.steps * updates


def check_cost(job: Job[GRPOModule], device: str, stages: dict[str, Arithmetic]) -> None:
    """Add the hours of all stages, with responses of half their budget and of their whole budget."""
    ranks, speed = job.planned.ranks, SPEEDS[device]
    half, whole = (
        [stage_seconds(job.module, job.parameters, stage, speed, fills) for stage in stages.values()]
        for fills in (FILLS, 1.0)
    )
    total, generating = sum(map(sum, half)), sum(seconds for seconds, _ in half)
    refills = sum(stage.refill * generates for stage, (generates, _) in zip(stages.values(), half, strict=True))
    further = f"; refill adds up to {refills / 3600:,.0f}" if refills else ""
    message = (
        f"about {total / 3600:,.0f} on {ranks} x {device}, {generating / total:.0%} generating, with responses "
        f"of {FILLS:.0%} of their budget; {sum(map(sum, whole)) / 3600:,.0f} with whole ones{further}; "
        f"{_assumed(speed)}, {READS:.0%} of {speed.bandwidth / 1e12:g} TB/s in generation; without rewards, screening "
        "and evaluations"
    )
    job.checks.add("hours", "ok", message)


def check_sft_cost(job: Job[SFTModule], device: str, lengths: list[int]) -> None:
    """Add the hours of an epoch of SFT."""
    ranks, speed = job.planned.ranks, SPEEDS[device]
    seconds = update_seconds(job.module, job.parameters, speed, ranks, ((length, 1) for length in lengths))
    job.checks.add("hours", "ok", f"about {seconds / 3600:,.1f} an epoch on {ranks} x {device}; {_assumed(speed)}")


def _assumed(speed: Speed) -> str:
    return f"an estimate, never measured: {COMPUTES:.0%} of {speed.flops / 1e12:,.0f} TFLOP/s in updates"
