"""What the run needs: ranks, batches, memory, disk, steps and hours."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from acereason.data.rl import RLData
from acereason.modules.explain import Arithmetic, arithmetic
from acereason.modules.grpo import GRPOModule
from acereason.preflight.checks import Checks
from acereason.preflight.memory import DEVICES, checkpoint_bytes, count_parameters, estimate, human
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
    checks: Checks, module: GRPOModule, stages: dict[str, Arithmetic], planned: Planned, device: str | None
) -> dict[str, float]:
    """The estimate at the largest stage, against the device: {part: bytes}."""
    parameters = count_parameters(module.config)
    largest = max(stages.values(), key=lambda a: (a.longest, a.group_size))
    prompt = largest.longest - largest.budget
    parts = estimate(module, parameters, planned.ranks, prompt, largest.budget, largest.group_size)
    needed, on_cpu = sum(parts.values()), planned.accelerator == "cpu"
    has = DEVICES[device] if device else _machine_memory() * 1.0 if on_cpu else None
    where = device or ("this machine" if on_cpu else "a device")
    told = ", ".join(f"{part} {human(size)}" for part, size in parts.items())
    message = f"{parameters:,} parameters; {human(needed)} on {where}: {told}"
    if has is None:
        checks.add("memory", "ok", f"{message}; name --device to compare, one of {', '.join(DEVICES)}")
    else:
        worst = max(parts, key=lambda part: parts[part])
        checks.require("memory", needed <= has, message, f"{message}; it has {human(has)}; most goes to the {worst}")
    return parts


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
