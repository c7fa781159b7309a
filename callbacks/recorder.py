"""This callback writes down what the run does, in its folder."""

from dataclasses import asdict
from typing import Any, ClassVar

import lightning.pytorch as pl
from typing_extensions import override

from acereason.common.files import save_figure, write_json
from acereason.common.texts import without_halves
from acereason.common.types import Group
from acereason.evaluation.accuracy import Accuracy
from acereason.modules.base import QwenModule
from acereason.modules.grpo import GRPOModule
from acereason.modules.hooks import RolloutCallback
from acereason.processes.distributed import gather
from acereason.runs.files import RunFiles
from acereason.runs.loggers import tensorboards
from acereason.runs.records import Samples, Tally, group_row, sample_markdown
from acereason.runs.report.pictures import picture
from acereason.runs.report.plots import overview
from acereason.runs.report.reading import Run, read_outline


class Recorder(RolloutCallback):
    """Writes down in the run's folder what the run does. Each file can be left out.

    Args:
        metrics: whether to keep `metrics.jsonl`: all logged metrics, a row for each logging: step, and values by name.
            The report and `curves.png` read it, so that they need no particular logger; without it they read
            TensorBoard's events.
        groups: whether to keep `groups.jsonl`: a row for each group of every rank, with stage, step, the problem and
            the beginning of its statement, numbers of correct, wrong and error verdicts and their reasons, number of
            truncated rollouts, and lengths in tokens. Pass rates are sums over its rows; the report shows them.
        samples: which rollouts go to `samples.jsonl` and to TensorBoard's text tab, with their final reward, and
            whether they are in the loss; null: none.
        summary: whether to keep `summary.json`: each stage (an SFT run is one), each evaluation, and the seconds that
            each part of the steps took. It is written after every evaluation and every epoch.
        curves: whether to draw `curves.png` when an epoch ends.
        title: title above the curves; null takes the name of the run's folder.
    """

    # why: after what settles rewards and settings, which it records
    place: ClassVar[int] = 70

    def __init__(
        self,
        metrics: bool = True,
        groups: bool = True,
        samples: Samples | None = Samples(),  # noqa: B008  read only
        summary: bool = True,
        curves: bool = True,
        title: str | None = None,
    ) -> None:
        self.metrics, self.groups, self.samples = metrics, groups, samples
        self.summary, self.curves, self.title = summary, curves, title
        self.tally = Tally()

    @property
    @override
    def state_key(self) -> str:
        # why: in checkpoints from before there was a recorder, the same counters are those of a callback `Summary`
        return "Summary"

    @override
    def on_rollouts(self, trainer: pl.Trainer, module: GRPOModule, groups: list[Group]) -> None:
        files, place = RunFiles.of(trainer), {"stage": module.curriculum.plan.stage, "step": trainer.global_step}
        if self.groups:
            files.groups.append(gather([place | group_row(group) for group in groups]))
        if self.samples and trainer.global_step % self.samples.every_n_steps == 0:
            rows = [place | row for row in self.samples.rows(groups)]
            files.samples.append(rows)
            text = without_halves("\n\n---\n\n".join(map(sample_markdown, rows)))
            for writer in tensorboards(trainer):
                writer.add_text("rollouts", text, trainer.global_step)

    @override
    def on_metrics(self, trainer: pl.Trainer, module: QwenModule, metrics: dict[str, float], step: int) -> None:
        # why: `validate` and `test` log into the same hooks, but are not part of the run
        if self.metrics and trainer.training:
            RunFiles.of(trainer).metrics.append([{"step": step, **metrics}])

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: QwenModule) -> None:
        # why: SFT's held-out losses never reach `on_metrics`: Lightning averages and logs them by itself
        losses = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("eval/")}
        if self.metrics and trainer.state.fn == "fit" and losses:
            RunFiles.of(trainer).metrics.append([{"step": trainer.global_step - 1, **losses}])

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: QwenModule, outputs: dict[str, float], batch: object, batch_idx: int
    ) -> None:
        stage = pl_module.curriculum.plan.stage if pl_module.curriculum else "sft"
        self.tally.add(stage, outputs)
        if isinstance(pl_module, GRPOModule):
            self.tally.stages[stage]["problems_left"] = len(pl_module.data.problems)

    @override
    def on_evaluation(self, trainer: pl.Trainer, module: QwenModule, accuracies: dict[str, Accuracy]) -> None:
        for name, accuracy in accuracies.items():
            self.tally.evaluations.append({"step": trainer.global_step, "benchmark": name, **asdict(accuracy)})
        self._sum_up(trainer)

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: QwenModule) -> None:
        self._sum_up(trainer)
        files = RunFiles.of(trainer)
        # why: a run of `fast_dev_run` saves no configuration
        if self.curves and trainer.is_global_zero and files.config.exists():
            for logger in trainer.loggers:
                # why: it may keep values in memory, and without `metrics.jsonl` TensorBoard's file is what is read
                logger.save()
            self._draw(read_outline(files.folder, self.title or files.folder.name))

    @override
    def state_dict(self) -> dict[str, Any]:
        return vars(self.tally)

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        vars(self.tally).update(state_dict)

    def _draw(self, run: Run) -> None:
        stages = " · ".join(f"{number} {span.name}" for number, span in enumerate(run.spans(), 1))
        if plots := overview(run):
            save_figure(run.files.curves, picture(plots, f"{run.name}\n{stages}" if run.is_rl else run.name), dpi=130)

    def _sum_up(self, trainer: pl.Trainer) -> None:
        files = RunFiles.of(trainer)
        if self.summary and trainer.is_global_zero:
            write_json(files.summary, self.tally.summary())
