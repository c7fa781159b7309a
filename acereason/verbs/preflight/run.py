"""This module runs all checks of a config with a Trainer, in order."""

import lightning.pytorch as pl

from acereason.common.errors import UserError
from acereason.data.evaluation import EvaluationData
from acereason.data.rl import RLData
from acereason.data.sft import SFTData
from acereason.modules.base import QwenModule
from acereason.modules.evaluation import EvaluationModule
from acereason.modules.grpo import GRPOModule
from acereason.modules.hooks import callbacks_of
from acereason.modules.sft import SFTModule
from acereason.processes.drivers import driver
from acereason.verbs.preflight.checks import Checks
from acereason.verbs.preflight.cost import check_cost
from acereason.verbs.preflight.data import check_sources
from acereason.verbs.preflight.evaluation import check_evaluation
from acereason.verbs.preflight.memory import DEVICES
from acereason.verbs.preflight.model import check_model
from acereason.verbs.preflight.resources import (
    Planned,
    check_batches,
    check_driver,
    check_hours,
    check_machine,
    check_memory,
    check_ranks,
    check_room,
)
from acereason.verbs.preflight.training import check_schedule, check_sft

_PAIRS = {GRPOModule: RLData, SFTModule: SFTData, EvaluationModule: EvaluationData}


def preflight(
    trainer: pl.Trainer, module: QwenModule, planned: Planned, device: str | None, tokens_per_second: float | None
) -> Checks:
    """Check a config of which trainer, module and data have been instantiated.

    Args:
        trainer: the trainer.
        module: the module, with its data.
        planned: the trainer that the config asks for.
        device: name of a device to estimate for; None estimates no hours.
        tokens_per_second: measured response tokens a second, for hours; None leaves them out.

    Raises:
        UserError: module and data don't go together, or the device is unknown.
    """
    data = module.data
    if device is not None and device not in DEVICES:
        raise UserError(f"device: no {device!r}; there are {', '.join(DEVICES)}")
    if not any(isinstance(module, task) and isinstance(data, served) for task, served in _PAIRS.items()):
        pairs = ", ".join(f"{task.__name__} with {served.__name__}" for task, served in _PAIRS.items())
        raise UserError(f"model, data: {type(module).__name__} with {type(data).__name__}; there are {pairs}")
    checks = Checks()
    check_ranks(checks, planned)
    check_driver(checks, planned, driver())
    for callback in callbacks_of(trainer, pl.Callback):
        with checks.catching(f"trainer.callbacks.{type(callback).__name__}"):
            callback.setup(trainer, module, "preflight")
    # why: without a configuration and a tokenizer there is nothing to count and no prompt to measure
    if check_model(checks, module, planned):
        check_machine(checks, module, planned)
        with checks.catching("data"):
            _check_task(checks, trainer, module, planned, device, tokens_per_second)
    return checks


def _check_task(
    checks: Checks,
    trainer: pl.Trainer,
    module: QwenModule,
    planned: Planned,
    device: str | None,
    tokens_per_second: float | None,
) -> None:
    """Check the module's task with its data: RL, SFT or an evaluation."""
    if isinstance(module, GRPOModule):
        with checks.catching("trainer"):
            module.data.check_trainer()
        _check_stages(checks, trainer, module, module.data, planned, device, tokens_per_second)
    elif isinstance(module, SFTModule):
        check_sft(checks, trainer, module, module.data, planned, device)
    elif isinstance(module, EvaluationModule):
        check_evaluation(checks, trainer, module, module.data, planned, device)


def _check_stages(
    checks: Checks,
    trainer: pl.Trainer,
    module: GRPOModule,
    data: RLData,
    planned: Planned,
    device: str | None,
    tokens_per_second: float | None,
) -> None:
    """Check the stages of RL: problems, batches, memory, hours, schedule and disk."""
    problems = check_sources(checks, module, data)
    stages = check_batches(checks, module, data, problems, planned.ranks)
    if stages:
        check_memory(checks, module, data, stages, planned, device)
        check_hours(checks, stages, tokens_per_second)
        if device:
            check_cost(checks, module, stages, planned.ranks, device)
    # why: the number of updates is known only where every stage has its problems
    if len(stages) == len(data.stages):
        check_schedule(checks, trainer, module, int(module.planned_updates()))
    check_room(checks, module, trainer, planned, ends=len(data.stages), exports=len(data.stages))
