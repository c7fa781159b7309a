"""What the run needs: ranks, batches, memory, disk, steps and hours."""

import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as pl

from acereason.data.rl import RLData
from acereason.drivers import Driver, too_old
from acereason.files import check_writable
from acereason.modules.base import QwenModule
from acereason.modules.explain import Arithmetic, arithmetic
from acereason.modules.grpo import GRPOModule
from acereason.modules.rollout import RolloutModule
from acereason.preflight.checks import Checks
from acereason.preflight.memory import (
    DEVICES,
    SPARE,
    Parts,
    checkpoint_bytes,
    count_parameters,
    estimate,
    estimate_machine,
    human,
)
from acereason.preflight.start import check_start
from acereason.rollouts.engine import EngineMemory
from acereason.types import Problem


@dataclass
class Planned:
    """What the config asks for beyond preflight itself, which runs on one CPU and starts nothing."""

    accelerator: str
    devices: int | str
    num_nodes: int
    strategy: str
    """Its class name, or Lightning's word for it."""
    mesh: int | None
    """Ranks of its device mesh; None without one."""
    ckpt_path: str | None = None
    """Where the run would start."""

    @property
    def ranks(self) -> int:
        """Processes in all; one where `devices` leaves it open."""
        return (self.devices if isinstance(self.devices, int) and self.devices > 0 else 1) * self.num_nodes


def check_ranks(checks: Checks, planned: Planned) -> None:
    """Whether the strategy makes the ranks that the trainer asks for."""
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
    """Whether torch can use this machine's driver, where it has one and the run would."""
    if planned.accelerator in ("cpu", "mps") or found.cuda is None:
        return
    why = too_old(found)
    checks.require("trainer.accelerator", why is None, f"driver {found.version} serves torch", why or "")


def check_batches(
    checks: Checks, module: GRPOModule, data: RLData, problems: dict[str, list[Problem]], ranks: int
) -> dict[str, Arithmetic]:
    """Each stage's batch arithmetic, for stages whose sources could be loaded."""
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


def check_memory(
    checks: Checks,
    module: GRPOModule,
    data: RLData,
    stages: dict[str, Arithmetic],
    planned: Planned,
    device: str | None,
) -> None:
    """The estimate at the largest stage against the device, or against two where the engine has its own."""
    parameters = count_parameters(module.config)
    check_cache(checks, module, data, stages, parameters)
    largest = max(stages.values(), key=lambda a: (a.longest, a.group_size))
    phases = estimate(module, parameters, planned.ranks, largest.longest, largest.group_size)
    check_devices(checks, f"{parameters:,} parameters", phases, planned, device)


def check_devices(checks: Checks, what: str, phases: dict[str, Parts], planned: Planned, device: str | None) -> None:
    """The estimate of each phase against the device, or against two where the engine has its own."""
    has = DEVICES[device] if device else float(_machine_memory()) if planned.accelerator == "cpu" else None
    where = device or ("this machine" if has else "a device")
    if apart := phases.pop("apart", None):
        _check_device(checks, "model.engine", f"on {where} of its own", {"generating": apart}, has)
    _check_device(checks, "memory", f"{what} on {where}", phases, has)


def check_machine(checks: Checks, module: QwenModule, planned: Planned) -> None:
    """What a run on GPUs takes of the machine's own memory; on a CPU the device's is the machine's."""
    if planned.accelerator == "cpu":
        return
    folder = Path(module.pretrained or "")
    made = module.pretrained is None or (folder.is_dir() and not [*folder.glob("*.safetensors")])
    ranks = planned.ranks // planned.num_nodes
    parts = estimate_machine(module, count_parameters(module.config), ranks, made)
    checks.add("memory of the machine", "ok", f"{_told('it', parts)}, and what the data holds, on {ranks} ranks")


def check_cache(
    checks: Checks, module: GRPOModule, data: RLData, stages: dict[str, Arithmetic], parameters: int
) -> None:
    """Whether the engine's cache has room for the longest response, and for a group of each stage."""
    key, longest = "model.engine.cache_gib", data.longest(module.sampling)
    engine = check_held(checks, module, parameters, longest, max(a.group_size for a in stages.values()))
    if engine is None:
        return
    for name, a in stages.items():
        group = a.group_size * engine.token * a.longest
        if engine.cache < group:
            message = f"{human(engine.cache)}, but a group of {name} takes up to {human(group)}: responses will wait"
            checks.add(key, "warning", message)


def check_held(
    checks: Checks, module: RolloutModule, parameters: int, longest: int, group_size: int
) -> EngineMemory | None:
    """Whether the engine's cache has room for the longest response: its memory, or None where it hasn't."""
    engine = module.engine.memory(module.config, parameters, longest, group_size)
    whole = engine.token * longest
    if not whole:
        return engine  # it keeps no cache: ReplayEngine
    held = f"{human(engine.cache)} of cache hold {int(engine.cache / whole):,} responses of {longest:,} tokens"
    if engine.cache < whole:
        least = math.ceil(10 * whole / 2**30) / 10
        checks.add("model.engine.cache_gib", "failure", f"{held}: set it to at least {least:g}")
        return None
    checks.add("model.engine", "ok", held)
    return engine


def _check_device(checks: Checks, key: str, what: str, phases: dict[str, Parts], has: float | None) -> None:
    """The larger phase against what the device has; the other one is told after it."""
    ordered = sorted(phases.items(), key=lambda item: -sum(item[1].values()))
    phase, parts = ordered[0]
    needed, worst = sum(parts.values()), max(parts, key=lambda part: parts[part])
    message = f"{what}: {'; '.join(_told(*item) for item in ordered)}"
    if has is None:
        checks.add(key, "ok", f"{message}; name --device to compare, one of {', '.join(DEVICES)}")
    elif needed > has:
        checks.add(key, "failure", f"{message}; it has {human(has)}; most goes to the {worst} while {phase}")
    elif needed > (1 - SPARE) * has:
        checks.add(key, "warning", f"{message}; it has {human(has)}: less than {SPARE:.0%} is left for the rest")
    else:
        checks.add(key, "ok", message)


def _told(phase: str, parts: Parts) -> str:
    each = ", ".join(f"{part} {human(size)}" for part, size in parts.items())
    return f"{phase} takes {human(sum(parts.values()))} ({each})"


def check_room(
    checks: Checks, module: QwenModule, trainer: pl.Trainer, planned: Planned, ends: int, exports: int
) -> None:
    """Whether the run can start, and its folder has room for its checkpoints and exports."""
    key = "trainer.logger.save_dir"
    if trainer.fast_dev_run:
        return  # in a temporary folder, without checkpoints
    with checks.catching(key):
        run = check_start(checks, trainer, planned.ckpt_path)
        there = check_writable(run.folder, run.key)
        needed = checkpoint_bytes(module, count_parameters(module.config), _kept(trainer), ends, exports)
        free = shutil.disk_usage(there).free
        message = f"{human(needed)} of checkpoints and exports, {human(free)} free in {there}"
        checks.require(key, needed <= free, message, message)


def _kept(trainer: pl.Trainer) -> int:
    """Checkpoints that stay beside the ends of stages."""
    return max((getattr(callback, "keep", 0) for callback in trainer.checkpoint_callbacks), default=0)


def check_hours(checks: Checks, stages: dict[str, Arithmetic], tokens_per_second: float | None) -> None:
    """Updates in all, and hours at a measured rate of response tokens a second, over all ranks and the whole step."""
    steps, tokens = sum(a.steps for a in stages.values()), sum(a.steps * a.tokens for a in stages.values())
    message = f"{steps:,} updates at most, {tokens:,} response tokens at most"
    if tokens_per_second:
        message += (
            f"; {tokens / tokens_per_second / 3600:,.1f} hours at most, at {tokens_per_second:,.0f} tokens a second"
        )
    checks.add("data.stages", "ok", message)


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
