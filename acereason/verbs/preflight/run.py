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
from acereason.modules.rollout import RolloutModule
from acereason.modules.sft import SFTModule
from acereason.processes.drivers import driver
from acereason.verbs.preflight import resources
from acereason.verbs.preflight.checks import Checks
from acereason.verbs.preflight.cost import check_cost
from acereason.verbs.preflight.data import check_judge, check_sources
from acereason.verbs.preflight.evaluation import check_evaluation
from acereason.verbs.preflight.memory import DEVICES
from acereason.verbs.preflight.model import check_model, check_teacher
from acereason.verbs.preflight.planned import Job, Planned, is_of
from acereason.verbs.preflight.training import check_schedule, check_sft

_PAIRS = {GRPOModule: RLData, SFTModule: SFTData, EvaluationModule: EvaluationData}


def preflight(trainer: pl.Trainer, module: QwenModule, planned: Planned) -> Checks:
    """Check a config of which trainer, module and data have been instantiated.

    Args:
        trainer: the trainer.
        module: the module, with its data.
        planned: the trainer that the config asks for.

    Raises:
        UserError: module and data don't go together, or the device is unknown.
    """
    data = module.data
    if planned.device is not None and planned.device not in DEVICES:
        raise UserError(f"device: no {planned.device!r}; there are {', '.join(DEVICES)}")
    if not any(isinstance(module, task) and isinstance(data, served) for task, served in _PAIRS.items()):
        pairs = ", ".join(f"{task.__name__} with {served.__name__}" for task, served in _PAIRS.items())
        raise UserError(f"model, data: {type(module).__name__} with {type(data).__name__}; there are {pairs}")
    job = Job(checks := Checks(), trainer, module, planned)
    resources.check_ranks(checks, planned)
    resources.check_driver(checks, planned, driver())
    for callback in callbacks_of(trainer, pl.Callback):
        with checks.catching(f"trainer.callbacks.{type(callback).__name__}"):
            callback.setup(trainer, module, "preflight")
    if isinstance(module, RolloutModule):
        check_judge(checks, module.rewards.settings)
    # why: without a configuration and a tokenizer there is nothing to count and no prompt to measure
    if check_model(job):
        resources.check_machine(job)
        with checks.catching("data"):
            _check_task(job)
    return checks


def _check_task(job: Job[QwenModule]) -> None:
    """Check the module's task with its data: RL, SFT or an evaluation."""
    if is_of(job, GRPOModule):
        with job.checks.catching("trainer"):
            job.module.data.check_trainer()
        _check_stages(job)
    elif is_of(job, SFTModule):
        check_sft(job)
    elif is_of(job, EvaluationModule):
        check_evaluation(job)


def _check_stages(job: Job[GRPOModule]) -> None:
    """Check the stages of RL: problems, batches, memory, hours, schedule and disk."""
    stages, count = resources.check_batches(job, check_sources(job)), len(job.module.data.stages)
    if stages:
        resources.check_memory(job, stages, check_teacher(job))
        resources.check_hours(job, stages)
        if job.planned.device:
            check_cost(job, job.planned.device, stages)
    # why: the number of updates is known only where every stage has its problems
    if len(stages) == count:
        check_schedule(job.checks, job.trainer, job.module, int(job.module.planned_updates()))
    resources.check_room(job, ends=count, exports=count)
