"""Base class of the callbacks that watch a run's health."""

from dataclasses import asdict
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.utilities import rank_zero_warn
from typing_extensions import override

from acereason.modules.base import QwenModule
from acereason.runs.files import RunFiles
from acereason.runs.health.watch import Watch


class Watching(pl.Callback):
    """Warns when rules find a run unhealthy, and writes the warnings to `health.jsonl` in the run's folder.

    Args:
        watch: the rules.
        every_n_steps: steps between two applications of the rules.
    """

    def __init__(self, watch: Watch, every_n_steps: int) -> None:
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, not {every_n_steps}")
        self.watch, self.every_n_steps = watch, every_n_steps

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: QwenModule) -> None:
        # why: an empty file says that the run was watched and nothing was wrong
        RunFiles.of(trainer).health.append([])

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: QwenModule, outputs: dict[str, float], batch: object, batch_idx: int
    ) -> None:
        stages = pl_module.curriculum
        self.watch.add(stages.plan.stage if stages else "sft", outputs)
        if trainer.global_step % self.every_n_steps:
            return
        found = self.watch.findings(trainer.global_step - 1)
        for finding in found:
            rank_zero_warn(f"stage {finding.stage}, step {finding.step}, {finding.rule}: {finding.message}")
        RunFiles.of(trainer).health.append(map(asdict, found))

    @override
    def state_dict(self) -> dict[str, Any]:
        return self.watch.state()

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.watch.restore(state_dict)
