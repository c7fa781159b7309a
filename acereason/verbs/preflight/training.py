"""This module checks supervised fine-tuning: rows, updates, memory and disk."""

import math

import lightning.pytorch as pl

from acereason.algorithm.schedule import Schedule
from acereason.data.sft import lengths_of
from acereason.modules.base import QwenModule
from acereason.modules.hooks import callbacks_of
from acereason.modules.sft import SFTModule
from acereason.verbs.preflight.checks import Checks, Status
from acereason.verbs.preflight.cost import check_sft_cost
from acereason.verbs.preflight.data import histogram
from acereason.verbs.preflight.memory import estimate_update
from acereason.verbs.preflight.planned import Job
from acereason.verbs.preflight.resources import check_devices, check_room


def check_sft(job: Job[SFTModule]) -> None:
    """Check the rows, updates, memory and disk of SFT."""
    checks, module, data, planned = job.checks, job.module, job.module.data, job.planned
    # why: rows are tokenized as `fit` does it, into the cache where `fit` finds them
    with checks.catching("data"):
        data.check()
    if module.config.max_position_embeddings < data.max_length:
        message = f"{data.max_length:,} tokens, the model's context is {module.config.max_position_embeddings:,}"
        checks.add(
            "data.max_length", "failure", f"{message}; shorten it, or set model.backbone.max_position_embeddings"
        )
    lengths = [length for name, source in data.sources.items() for length in check_rows(job, "sources", name)]
    for name in data.heldout:
        check_rows(job, "heldout", name)
    epochs = 0
    if lengths:
        epochs = check_updates(job, len(lengths))
        check_micro_batches(checks, module, max(lengths))
        longest = max(max(lengths), module.micro_batch_tokens)
        check_devices(job, {"updating": estimate_update(module, job.parameters, planned.ranks, longest)})
        if planned.device:
            check_sft_cost(job, planned.device, lengths)
    # why: by its name, since nothing below the callbacks may import them
    exports = "Export" in job.module.callback_names()
    check_room(job, ends=0, exports=epochs if exports else 0)


def check_rows(job: Job[SFTModule], kind: str, name: str) -> list[int]:
    """Check a source, and return the tokens of its rows, prompt and response; none where it can't be used."""
    key, data = f"data.{kind}.{name}", job.module.data
    with job.checks.catching(key):
        rows = data.tokenized(name, getattr(data, kind)[name]).make(key, data.workers)
        lengths: list[int] = lengths_of(data.usable(rows, key)).tolist()
        spread = f"{histogram(lengths)} median {sorted(lengths)[len(lengths) // 2]:,}, longest {max(lengths):,}"
        job.checks.add(key, "ok", f"{len(lengths):,} rows with a response, {spread} of {data.max_length:,} tokens")
        return lengths
    return []


def check_updates(job: Job[SFTModule], rows: int) -> int:
    """Check that there are updates, and that the schedule ends with them.

    Returns:
        the number of epochs at most; 1 for a run without end.
    """
    checks, trainer, module, size, ranks = (
        job.checks,
        job.trainer,
        job.module,
        job.module.data.batch_size,
        job.planned.ranks,
    )
    if size < ranks:
        message = f"{size} rows for {ranks} ranks: some would have nothing to do at every update"
        checks.add("data.batch_size", "failure", message)
    an_epoch, epochs, most = math.ceil(rows / size), trainer.max_epochs, trainer.max_steps
    an_epoch = _limited(an_epoch, trainer.limit_train_batches)
    if (epochs is None or epochs < 0) and most < 0:
        checks.add("trainer.max_epochs", "warning", "neither it nor max_steps is set: the run has no end of its own")
        with checks.catching("model.schedule"):
            module.schedule.over(math.inf)
        return 1
    of_epochs = math.inf if epochs is None or epochs < 0 else an_epoch * epochs
    steps = int(min(of_epochs, math.inf if most < 0 else most))
    message = f"{steps:,} updates, {an_epoch:,} an epoch of {rows:,} rows"
    checks.require("trainer.max_epochs", steps > 0, message, f"{message}: the run would not train")
    check_schedule(checks, trainer, module, steps, an_epoch)
    return math.ceil(steps / an_epoch)


def _limited(batches: int, limit: int | float | None) -> int:
    """Return the number of batches that Lightning takes of an epoch."""
    if limit is None:
        return batches
    return min(batches, limit) if isinstance(limit, int) else int(batches * limit)


def check_schedule(
    checks: Checks, trainer: pl.Trainer, module: QwenModule, steps: int, an_epoch: int | None = None
) -> None:
    """Compare the end of the learning rate's schedule with the end of the run.

    Args:
        checks: takes the findings.
        trainer: the trainer with its callbacks.
        module: the module with the schedule.
        steps: updates of the run.
        an_epoch: updates of an epoch; None where epochs differ.
    """
    schedule = module.schedule.over(steps)
    if schedule.decay_steps is not None:
        status, message = _end(schedule, schedule.decay_steps, steps, an_epoch)
        sooner = _sooner(trainer, schedule, an_epoch) if status == "ok" else ""
        checks.add("model.schedule.decay_steps", status, message + sooner)
    if schedule.warmup_steps >= steps:
        message = f"{schedule.warmup_steps:,}, the run has {steps:,} updates: the rate never is the optimizer's"
        checks.add("model.schedule.warmup_steps", "warning", message)


def _end(schedule: Schedule, ends: int, steps: int, an_epoch: int | None) -> tuple[Status, str]:
    """Return the finding on whether the decay, which ends after `ends` updates, ends with the run."""
    has, floor = f"{ends:,}, the run has {steps:,} updates", f"{schedule.final or 0:g} of the optimizer's"
    if ends > steps:
        last = schedule.factor(steps - 1)
        return "warning", f"{has}: it does not come to its end; the last update's rate is {last:.2g} of the optimizer's"
    # why: updates count from 0, so that the last one's rate is the schedule's at `steps - 1`
    if ends >= steps - 1:
        return "ok", f"the learning rate is at its floor, {floor}, at the run's last update, {steps:,}"
    place = f"epoch {ends / an_epoch:.1f} of {steps / an_epoch:.3g}" if an_epoch else f"update {ends:,}"
    return "warning", f"{has}: the learning rate reaches its floor, {floor}, at {place} and stays there for the rest"


def _sooner(trainer: pl.Trainer, schedule: Schedule, an_epoch: int | None) -> str:
    """Return the words on the rate at which SFTPlateau may end the run; empty without it."""
    least = [
        vars(callback)["min_epochs"]
        for callback in callbacks_of(trainer, pl.Callback)
        if type(callback).__name__ == "SFTPlateau"
    ]
    if not least or an_epoch is None:
        return ""
    return f"; SFTPlateau may end it after epoch {least[0]}, at {schedule.factor(least[0] * an_epoch - 1):.2g}"


def check_micro_batches(checks: Checks, module: SFTModule, longest: int) -> None:
    """Warn where the longest row exceeds a micro batch."""
    if longest > module.micro_batch_tokens:
        message = f"{module.micro_batch_tokens:,}, but a row has {longest:,} tokens: it is a micro batch of its own"
        checks.add("model.micro_batch_tokens", "warning", message)
