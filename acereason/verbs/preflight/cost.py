"""This module estimates a run's hours on GPUs from shapes and a few assumptions, never measured.

An update is bound by arithmetic, generation by the memory's bandwidth: each step of it reads the engine's weights and
the keys and values of all running responses. With `backbone.offload` an update waits for the machine's memory too.
docs/memory.md explains the formulae.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from acereason.modules.base import QwenModule
from acereason.modules.explain import Arithmetic
from acereason.modules.grpo import GRPOModule
from acereason.modules.sft import SFTModule
from acereason.rollouts.engine import EngineMemory
from acereason.verbs.preflight.memory import count_trained, moments
from acereason.verbs.preflight.planned import Job

COMPUTES = 0.35
"""Share of the peak that an update reaches, recomputation counted as work."""
READS = 0.6
"""Share of the bandwidth that generation reaches."""
CARRIES = 0.8
"""Share of the link's rate that copies between a device and pinned memory reach."""
HOST = 100e9
"""Bytes a second that a machine's cores move in its memory: a third of eight channels of DDR5-4800."""
FILLS = 0.5
"""Mean response as a share of its budget: 4,000 to 5,000 tokens of 8,192 in the paper's stage 1 (4.5.4)."""


@dataclass(frozen=True)
class Speed:
    """The speed of a device by its data sheet."""

    flops: float
    """Dense bfloat16 operations a second."""
    bandwidth: float
    """Bandwidth of the memory, bytes a second."""
    link: float = 63e9
    """Bytes a second between it and the machine's memory, in one direction: PCIe 5.0 with 16 lanes."""


SPEEDS = {
    "a100-40gb": Speed(312e12, 1.555e12, 31.5e9),
    "a100-80gb": Speed(312e12, 2.039e12, 31.5e9),
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


def offload_seconds(
    module: QwenModule, parameters: int, speed: Speed, ranks: int, tokens: float, updates: int, machines: int = 1
) -> float:
    """Estimate the seconds that offloading adds to updates, if no copy is made while the device computes.

    For each micro batch the weights go to the device twice, in float32, and the gradients come back and are added up;
    an update reads gradients, weights and the optimizer's state and writes them.

    Args:
        module: the module that trains.
        parameters: number of the model's parameters.
        speed: speed of a device.
        ranks: number of devices.
        tokens: number of tokens of all updates.
        updates: number of updates.
        machines: number of machines that the devices are in.
    """
    if not module.backbone.offload:
        return 0.0
    trained = count_trained(module, parameters)
    passes = max(math.ceil(tokens / ranks / module.micro_batch_tokens), updates)
    copied = (2 * 4 * parameters + 4 * trained) / (ranks * speed.link * CARRIES)
    added = 3 * 4 * trained / (machines * HOST)
    # why: gradients are divided and clipped in place (16 bytes) and read for their norm and for the update (8), weights
    # are read and written (8), and so are the moments
    updated = (32 + 2 * moments(module)) * trained / (machines * HOST)
    return passes * (copied + added) + updates * updated


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
    module: GRPOModule, parameters: int, stage: Arithmetic, speed: Speed, fills: float, machines: int = 1
) -> tuple[float, float]:
    """Estimate the seconds of (generating, updating) in all steps of a stage.

    Args:
        module: the module that trains.
        parameters: number of the model's parameters.
        stage: the stage's numbers.
        speed: speed of a device.
        fills: mean response as a share of its budget.
        machines: number of machines.
    """
    engine = module.engine.memory(module.config, parameters, stage.longest, stage.group_size)
    drawn = Drawn(stage.rollouts, fills * stage.budget, stage.budget)
    generates = generation_seconds(engine, speed, stage.ranks, drawn)
    # why: all mini batches but the first pass the policy before the step once more
    further = 1 - 1 / stage.updates if module.off_policy and module.off_policy.old_logprobs == "trainer" else 0.0
    updates = update_seconds(module, parameters, speed, stage.ranks, [(drawn.mean, drawn.responses)], further)
    tokens = drawn.mean * drawn.responses
    updates += offload_seconds(module, parameters, speed, stage.ranks, tokens, stage.updates, machines)
    return stage.steps * generates, stage.steps * updates


def check_cost(job: Job[GRPOModule], device: str, stages: dict[str, Arithmetic]) -> None:
    """Add the hours of all stages, with responses of half their budget and of their whole budget."""
    ranks, speed, machines = job.planned.ranks, SPEEDS[device], job.planned.num_nodes
    half, whole = (
        [stage_seconds(job.module, job.parameters, stage, speed, fills, machines) for stage in stages.values()]
        for fills in (FILLS, 1.0)
    )
    total, generating = sum(map(sum, half)), sum(seconds for seconds, _ in half)
    refills = sum(stage.refill * generates for stage, (generates, _) in zip(stages.values(), half, strict=True))
    further = f"; refill adds up to {refills / 3600:,.0f}" if refills else ""
    message = (
        f"about {total / 3600:,.0f} on {ranks} x {device}, {generating / total:.0%} generating, with responses "
        f"of {FILLS:.0%} of their budget; {sum(map(sum, whole)) / 3600:,.0f} with whole ones{further}; "
        f"{_assumed(job.module, speed)}, {READS:.0%} of {speed.bandwidth / 1e12:g} TB/s in generation; without "
        "rewards, screening and evaluations"
    )
    job.checks.add("hours", "ok", message)


def check_sft_cost(job: Job[SFTModule], device: str, lengths: list[int]) -> None:
    """Add the hours of an epoch of SFT."""
    ranks, speed = job.planned.ranks, SPEEDS[device]
    seconds = update_seconds(job.module, job.parameters, speed, ranks, ((length, 1) for length in lengths))
    updates, machines = math.ceil(len(lengths) / job.module.data.batch_size), job.planned.num_nodes
    seconds += offload_seconds(job.module, job.parameters, speed, ranks, sum(lengths), updates, machines)
    message = f"about {seconds / 3600:,.1f} an epoch on {ranks} x {device}; {_assumed(job.module, speed)}"
    job.checks.add("hours", "ok", message)


def _assumed(module: QwenModule, speed: Speed) -> str:
    assumed = f"an estimate, never measured: {COMPUTES:.0%} of {speed.flops / 1e12:,.0f} TFLOP/s in updates"
    if module.backbone.offload:
        assumed += (
            f", which wait for {CARRIES:.0%} of {speed.link / 1e9:g} GB/s and for memory of {HOST / 1e9:.0f} GB/s"
        )
    return assumed
