"""All checks, in order."""

from pathlib import Path

import lightning.pytorch as pl

from acereason.data.rl import RLData
from acereason.errors import UserError
from acereason.hooks import planned_folder
from acereason.modules.grpo import GRPOModule
from acereason.preflight.checks import Checks
from acereason.preflight.data import check_sources
from acereason.preflight.memory import DEVICES
from acereason.preflight.resources import Planned, check_batches, check_disk, check_hours, check_memory, check_ranks


def preflight(trainer: pl.Trainer, planned: Planned, device: str | None, tokens_per_second: float | None) -> Checks:
    """Check a config on which a trainer, a GRPOModule and an RLData have been instantiated.

    Raises:
        UserError: it is no RL config, or the device is unknown.
    """
    module, data = trainer.lightning_module, trainer.datamodule
    if not (isinstance(module, GRPOModule) and isinstance(data, RLData)):
        raise UserError("preflight: wants a config of GRPOModule and RLData")
    if device is not None and device not in DEVICES:
        raise UserError(f"device: no {device!r}; there are {', '.join(DEVICES)}")
    checks = Checks()
    with checks.catching("trainer"):
        data.check_trainer()
        for callback in trainer.callbacks:
            callback.setup(trainer, module, "preflight")
    check_ranks(checks, planned)
    with checks.catching("model"):
        context = module.config.max_position_embeddings
        checks.add("model", "ok", f"context of {context:,} tokens, vocabulary of {len(module.tokenizer):,}")
        _check_stages(checks, module, data, trainer, planned, device, tokens_per_second)
    return checks


def _check_stages(
    checks: Checks,
    module: GRPOModule,
    data: RLData,
    trainer: pl.Trainer,
    planned: Planned,
    device: str | None,
    tokens_per_second: float | None,
) -> None:
    """What needs the model's configuration and tokenizer."""
    problems = check_sources(checks, module, data)
    stages = check_batches(checks, module, data, problems, planned.ranks)
    if stages:
        check_memory(checks, module, data, stages, planned, device)
        check_hours(checks, stages, tokens_per_second)
    check_disk(checks, module, data, Path(planned_folder(trainer)), _kept(trainer))


def _kept(trainer: pl.Trainer) -> int:
    """Checkpoints that stay beside the ends of stages."""
    return max((getattr(callback, "keep", 0) for callback in trainer.checkpoint_callbacks), default=0)
