"""This callback keeps a stage's best policy, and ends the stage when it gets no better."""

from typing import Any, ClassVar

import lightning.pytorch as pl
from lightning.pytorch.utilities import rank_zero_info
from typing_extensions import override

from acereason.evaluation.accuracy import Accuracy
from acereason.modules.grpo import GRPOModule
from acereason.modules.hooks import RolloutCallback
from acereason.runs.files import RunFiles


class Plateau(RolloutCallback):
    """Keeps the policy with the stage's best `monitor`, and ends the stage after `patience` evaluations without a
    better one.

    It goes beyond the paper, which ends its stages by hand. The best policy is exported to `exports/best-of-STAGE`,
    where a stage with `start_from: best` finds it.

    Args:
        min_delta: margin by which avg must exceed the best to be better.
    """

    # why: after Evaluation, by whose accuracies it decides
    place: ClassVar[int] = 90

    def __init__(self, min_delta: float = 0.0) -> None:
        self.min_delta = min_delta
        self.stage: str | None = None
        self.monitor: str | None = None
        self.best, self.without = 0.0, 0
        """The stage's best avg, and the number of evaluations since then."""

    @override
    def on_evaluation(self, trainer: pl.Trainer, module: GRPOModule, accuracies: dict[str, Accuracy]) -> None:
        # why: `validate`, and an evaluation before the first update, say nothing about how the stage goes
        if not trainer.training or trainer.global_step == 0:
            return
        stage, monitor = module.curriculum.plan.stage, module.curriculum.current.monitor
        if monitor is None or monitor not in accuracies:
            return
        folder = RunFiles.of(trainer).exports / f"best-of-{stage}"
        if self.is_best(stage, monitor, accuracies[monitor].avg):
            module.export(folder)
            # why: absolute, since a later run may start from this checkpoint in another folder
            module.curriculum.observe(self.without, best=str(folder.absolute()))
        elif module.curriculum.observe(self.without):
            rank_zero_info(
                f"stage {stage} ends at step {trainer.global_step}: {monitor} has been no better than "
                f"{self.best:.4f} for {self.without} evaluations"
            )

    def is_best(self, stage: str, monitor: str, avg: float) -> bool:
        """Take in one evaluation, and return whether it is the stage's best by its monitor.

        Args:
            stage: name of the stage.
            monitor: name of the benchmark.
            avg: its accuracy, 0 to 1.
        """
        # why: a resumed run may name another monitor, whose values don't compare with the best of the old one
        known = self.stage == stage and self.monitor in (monitor, None)
        # why: `not >` rather than `<=`, so that NaN is never better
        if known and not avg > self.best + self.min_delta:
            self.without += 1
            return False
        self.stage, self.monitor, self.best, self.without = stage, monitor, avg, 0
        return True

    @override
    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("stage", "monitor", "best", "without")}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.stage, self.best, self.without = (state_dict[name] for name in ("stage", "best", "without"))
        # why: older checkpoints don't say which monitor the best is of; `is_best` takes it for the config's
        self.monitor = state_dict.get("monitor")
