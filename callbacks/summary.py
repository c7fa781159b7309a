"""This callback sums the run up in one file."""

from dataclasses import asdict
from statistics import fmean
from typing import Any, ClassVar

import lightning.pytorch as pl
from typing_extensions import override

from acereason.common.files import write_json
from acereason.evaluation.accuracy import Accuracy
from acereason.modules.base import QwenModule
from acereason.modules.grpo import GRPOModule
from acereason.modules.hooks import RolloutCallback
from acereason.runs.files import RunFiles


class Summary(RolloutCallback):
    """Keeps `summary.json` in the run's folder: each stage (an SFT run is one), each evaluation, and the seconds that
    each part of the steps took.

    The file is written after every evaluation and every epoch, and its counters are part of every checkpoint.
    """

    # why: after what settles rewards and settings, which it records
    place: ClassVar[int] = 70

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, Any]] = {}
        self.evaluations: list[dict[str, Any]] = []
        self.seconds: dict[str, float] = {}

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: QwenModule, outputs: dict[str, float], batch: object, batch_idx: int
    ) -> None:
        stage = pl_module.curriculum.plan.stage if pl_module.curriculum else "sft"
        self.record(stage, outputs)
        if isinstance(pl_module, GRPOModule):
            self.stages[stage]["problems_left"] = len(pl_module.data.problems)

    def record(self, stage: str, metrics: dict[str, float]) -> None:
        """Take in the metrics of one step of a stage."""
        entry = self.stages.setdefault(stage, {"steps": 0, "response_tokens": 0, "history": {}})
        entry["steps"] += 1
        entry["response_tokens"] += int(metrics["response/tokens"])
        for name in ("policy/loss", "reward/mean", "policy/entropy", "response/truncated"):
            if name in metrics:
                entry["history"].setdefault(name, []).append(metrics[name])
        for name, seconds in metrics.items():
            kind, _, section = name.partition("/")
            # why: `time/step` is the whole of which the other sections are parts
            if kind == "time" and section != "step":
                self.seconds[section] = self.seconds.get(section, 0.0) + seconds

    @override
    def on_evaluation(self, trainer: pl.Trainer, module: QwenModule, accuracies: dict[str, Accuracy]) -> None:
        for name, accuracy in accuracies.items():
            self.evaluations.append({"step": trainer.global_step, "benchmark": name, **asdict(accuracy)})
        self._write(trainer)

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: QwenModule) -> None:
        self._write(trainer)

    def summary(self) -> dict[str, Any]:
        """Return the contents of `summary.json`."""
        return {
            "stages": {name: _stage_summary(entry) for name, entry in self.stages.items()},
            "evaluations": self.evaluations,
            "seconds": self.seconds,
        }

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"stages": self.stages, "evaluations": self.evaluations, "seconds": self.seconds}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.stages, self.evaluations, self.seconds = (
            state_dict["stages"],
            state_dict["evaluations"],
            state_dict["seconds"],
        )

    def _write(self, trainer: pl.Trainer) -> None:
        files = RunFiles.of(trainer)
        if trainer.is_global_zero:
            write_json(files.summary, self.summary())


def _stage_summary(entry: dict[str, Any]) -> dict[str, Any]:
    """Return a stage's entry with each metric's history reduced to first, last and mean."""
    # why: first and last are means over a tenth of the stage, since single steps are noisy
    summary = {name: value for name, value in entry.items() if name != "history"}
    for name, values in entry["history"].items():
        tenth = max(1, len(values) // 10)
        summary[name] = {"first": fmean(values[:tenth]), "last": fmean(values[-tenth:]), "mean": fmean(values)}
    return summary
