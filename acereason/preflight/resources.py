"""What the run needs: ranks, batches, memory, disk, steps and hours."""

import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from acereason.data.rl import RLData
from acereason.modules.explain import Arithmetic, arithmetic
from acereason.modules.grpo import GRPOModule
from acereason.preflight.checks import Checks
from acereason.preflight.memory import DEVICES, SPARE, Parts, checkpoint_bytes, count_parameters, estimate, human
from acereason.types import Problem


@dataclass
class Planned:
    """The machines that the config asks for; preflight itself runs on one CPU."""

    accelerator: str
    devices: int | str
    num_nodes: int
    strategy: str
    """Its class name, or Lightning's word for it."""
    mesh: int | None
    """Ranks of its device mesh; None without one."""

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
    has = DEVICES[device] if device else float(_machine_memory()) if planned.accelerator == "cpu" else None
    where = device or ("this machine" if has else "a device")
    if apart := phases.pop("apart", None):
        _check_device(checks, "model.engine", f"on {where} of its own", {"generating": apart}, has)
    _check_device(checks, "memory", f"{parameters:,} parameters on {where}", phases, has)


def check_cache(
    checks: Checks, module: GRPOModule, data: RLData, stages: dict[str, Arithmetic], parameters: int
) -> None:
    """Whether the engine's cache has room for the longest response, and for a group of each stage."""
    key, longest = "model.engine.cache_gib", data.longest(module.sampling)
    engine = module.engine.memory(module.config, parameters, longest, max(a.group_size for a in stages.values()))
    whole = engine.token * longest
    held = f"{human(engine.cache)} of cache hold {int(engine.cache / whole):,} responses of {longest:,} tokens"
    if engine.cache < whole:
        checks.add(key, "failure", f"{held}: set it to at least {math.ceil(10 * whole / 2**30) / 10:g}")
        return
    checks.add("model.engine", "ok", held)
    for name, a in stages.items():
        group = a.group_size * engine.token * a.longest
        if engine.cache < group:
            message = f"{human(engine.cache)}, but a group of {name} takes up to {human(group)}: responses will wait"
            checks.add(key, "warning", message)


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


def check_disk(checks: Checks, module: GRPOModule, data: RLData, folder: Path, keep: int) -> float:
    """Room for checkpoints and exports where the run is going to write: bytes needed."""
    needed = checkpoint_bytes(count_parameters(module.config), keep, len(data.stages))
    there = next(parent for parent in [folder.absolute(), *folder.absolute().parents] if parent.exists())
    free = shutil.disk_usage(there).free
    message = f"{human(needed)} of checkpoints and exports, {human(free)} free in {there}"
    checks.require("trainer.logger.save_dir", needed <= free, message, message)
    return needed


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
