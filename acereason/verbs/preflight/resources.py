"""This module checks the resources of a run: ranks, batches, memory, disk, steps and hours."""

import math
import os
import shutil
from pathlib import Path

import lightning.pytorch as pl

from acereason.common.files import check_writable
from acereason.common.types import Problem
from acereason.modules.base import QwenModule
from acereason.modules.explain import Arithmetic, arithmetic
from acereason.modules.grpo import GRPOModule
from acereason.modules.rollout import RolloutModule
from acereason.processes.drivers import Driver, too_old
from acereason.rollouts.engine import EngineMemory
from acereason.verbs.preflight.checks import Checks
from acereason.verbs.preflight.memory import (
    DEVICES,
    SPARE,
    Parts,
    checkpoint_bytes,
    estimate,
    estimate_machine,
    human,
    offloaded,
)
from acereason.verbs.preflight.planned import Job, Planned
from acereason.verbs.preflight.start import check_start


def check_ranks(checks: Checks, planned: Planned) -> None:
    """Check that the strategy makes as many ranks as the trainer asks for."""
    ranks = planned.ranks
    if not isinstance(planned.devices, int) or planned.devices < 1:
        checks.add("trainer.devices", "warning", f"{planned.devices}: taken as 1 below; give the number")
    if planned.mesh is not None:
        failure = f"its mesh is {planned.mesh} ranks, trainer.devices x num_nodes is {ranks}: set data_parallel_size"
        checks.require("trainer.strategy", planned.mesh == ranks, f"{planned.strategy} over {ranks} ranks", failure)
    else:
        failure = f"{ranks} ranks need ModelParallelStrategy (FSDP2), see conf/hardware/8gpu.yaml"
        checks.require("trainer.strategy", ranks == 1, "one process", failure)


def check_driver(checks: Checks, planned: Planned, found: Driver) -> None:
    """Check that torch can use this machine's driver, where it has one and the run would use it."""
    # why: without a driver this is not the machine that the run is planned for
    if planned.accelerator in ("cpu", "mps") or found.cuda is None:
        return
    why = too_old(found)
    checks.require("trainer.accelerator", why is None, f"driver {found.version} serves torch", why or "")


def check_batches(job: Job[GRPOModule], problems: dict[str, list[Problem]]) -> dict[str, Arithmetic]:
    """Check each stage's batches, and return their numbers for the stages whose sources could be loaded."""
    checks, module, data, ranks = job.checks, job.module, job.module.data, job.planned.ranks
    data.take(problems)
    found = {}
    for name, stage in data.stages.items():
        key = f"data.stages.{name}"
        if missing := [source for source in stage.sources if source not in problems]:
            checks.add(key, "warning", f"not checked, data.sources.{missing[0]} could not be loaded")
            continue
        with checks.catching(key):
            found[name] = a = arithmetic(module, data, name, ranks)
            checks.require(f"{key}.prompts_per_step", a.prompts >= ranks, str(a), f"{a.prompts} prompts, {ranks} ranks")
            if a.prompts < stage.prompts_per_step:
                checks.add(f"{key}.prompts_per_step", "warning", f"{stage.prompts_per_step}, but {a.problems} problems")
            if a.prompts % ranks:
                checks.add(f"{key}.prompts_per_step", "warning", f"{a.prompts} are not the same on {ranks} ranks")
            if a.longest > module.micro_batch_tokens:
                message = f"{module.micro_batch_tokens:,}, but {name} has sequences of up to {a.longest:,} tokens"
                checks.add("model.micro_batch_tokens", "warning", f"{message}: each is a micro batch of its own")
    return found


def check_memory(job: Job[GRPOModule], stages: dict[str, Arithmetic], teacher: int) -> None:
    """Compare the estimate at the largest stage with the device, or with two where the engine has its own.

    Args:
        job: the run.
        stages: the stages' batches.
        teacher: number of parameters of a local teacher.
    """
    check_cache(job, stages)
    largest = max(stages.values(), key=lambda a: (a.longest, a.group_size))
    size = largest.longest, largest.group_size
    check_devices(job, estimate(job.module, job.parameters, job.planned.ranks, *size, teacher))


def check_devices(job: Job[QwenModule], phases: dict[str, Parts]) -> None:
    """Compare the estimate of each phase, {phase: {part: bytes}}, with the device, or with two where the engine has its
    own."""
    device, on_cpu = job.planned.device, job.planned.accelerator == "cpu"
    if on_cpu:
        phases = {phase: offloaded(job.module, job.parameters) | parts for phase, parts in phases.items()}
    has = DEVICES[device] if device else float(_machine_memory()) if on_cpu else None
    where = device or ("this machine" if has else "a device")
    if apart := phases.pop("apart", None):
        _check_device(job.checks, "model.engine", f"on {where} of its own", {"generating": apart}, has)
    _check_device(job.checks, "memory", f"{job.parameters:,} parameters on {where}", phases, has)


def check_machine(job: Job[QwenModule]) -> None:
    """Add the machine's own memory that a run on GPUs takes."""
    # why: on a CPU the device's memory, which is checked by itself, is the machine's
    if job.planned.accelerator == "cpu":
        return
    pretrained = job.module.pretrained
    folder = Path(pretrained or "")
    # why: only files in .safetensors can be mapped by every rank; random weights and .bin are made whole by the first
    made = pretrained is None or (folder.is_dir() and not [*folder.glob("*.safetensors")])
    machines = job.planned.num_nodes
    ranks = job.planned.ranks // machines
    parts = estimate_machine(job.module, job.parameters, ranks, made, machines)
    job.checks.add(
        "memory of the machine", "ok", f"{_in_words('it', parts)}, and what the data holds, on {ranks} ranks"
    )


def check_cache(job: Job[GRPOModule], stages: dict[str, Arithmetic]) -> None:
    """Check that the engine's cache has room for the longest response, and warn where a stage's group exceeds it."""
    longest = job.module.data.longest(job.module.sampling)
    engine = check_held(job, longest, max(a.group_size for a in stages.values()))
    if engine is None:
        return
    for name, a in stages.items():
        group = a.group_size * engine.token * a.longest
        if engine.cache < group:
            message = f"{human(engine.cache)}, but a group of {name} takes up to {human(group)}: responses will wait"
            job.checks.add("model.engine.cache_gib", "warning", message)


def check_held(job: Job[RolloutModule], longest: int, group_size: int) -> EngineMemory | None:
    """Check that the engine's cache has room for the longest response.

    Returns:
        the engine's memory; None where the cache is too small.
    """
    engine: EngineMemory = job.module.engine.memory(job.module.config, job.parameters, longest, group_size)
    whole = engine.token * longest
    # why: ReplayEngine keeps no cache
    if not whole:
        return engine
    held = f"{human(engine.cache)} of cache hold {int(engine.cache / whole):,} responses of {longest:,} tokens"
    if engine.cache < whole:
        # why: vLLM refuses to start with a cache for less than one response
        least = math.ceil(10 * whole / 2**30) / 10
        job.checks.add("model.engine.cache_gib", "failure", f"{held}: set it to at least {least:g}")
        return None
    job.checks.add("model.engine", "ok", held)
    return engine


def _check_device(checks: Checks, key: str, what: str, phases: dict[str, Parts], has: float | None) -> None:
    """Compare the larger phase with the device's memory; the message has the other one after it."""
    ordered = sorted(phases.items(), key=lambda item: -sum(item[1].values()))
    phase, parts = ordered[0]
    needed, worst = sum(parts.values()), max(parts, key=lambda part: parts[part])
    message = f"{what}: {'; '.join(_in_words(*item) for item in ordered)}"
    if has is None:
        checks.add(key, "ok", f"{message}; name --device to compare, one of {', '.join(DEVICES)}")
    elif needed > has:
        checks.add(key, "failure", f"{message}; it has {human(has)}; most goes to the {worst} while {phase}")
    elif needed > (1 - SPARE) * has:
        checks.add(key, "warning", f"{message}; it has {human(has)}: less than {SPARE:.0%} is left for the rest")
    else:
        checks.add(key, "ok", message)


def _in_words(phase: str, parts: Parts) -> str:
    each = ", ".join(f"{part} {human(size)}" for part, size in parts.items())
    return f"{phase} takes {human(sum(parts.values()))} ({each})"


def check_room(job: Job[QwenModule], ends: int, exports: int) -> None:
    """Check that the run can start, and that its folder has room for its checkpoints and exports."""
    key = "trainer.logger.save_dir"
    # why: such a run is in a temporary folder and leaves no checkpoints
    if job.trainer.fast_dev_run:
        return
    with job.checks.catching(key):
        run = check_start(job.checks, job.trainer, job.module, job.planned.ckpt_path)
        there = check_writable(run.folder, run.key)
        needed = checkpoint_bytes(job.module, job.parameters, _kept(job.trainer), ends, exports)
        free = shutil.disk_usage(there).free
        message = f"{human(needed)} of checkpoints and exports, {human(free)} free in {there}"
        job.checks.require(key, needed <= free, message, message)


def _kept(trainer: pl.Trainer) -> int:
    """Return the number of checkpoints that stay beside those of stage ends."""
    return max((getattr(callback, "keep", 0) for callback in trainer.checkpoint_callbacks), default=0)


def check_hours(job: Job[GRPOModule], stages: dict[str, Arithmetic]) -> None:
    """Add the number of updates, and the hours at a measured rate."""
    updates = sum(a.steps * a.updates for a in stages.values())
    tokens = sum(a.steps * a.most_tokens for a in stages.values())
    message = f"{updates:,} updates at most, {tokens:,} response tokens at most"
    if rate := job.planned.tokens_per_second:
        message += f"; {tokens / rate / 3600:,.1f} hours at most, at {rate:,.0f} tokens a second"
    job.checks.add("data.stages", "ok", message)


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
