"""This callback lays TensorBoard out for RL runs."""

from typing import ClassVar

import lightning.pytorch as pl
import numpy as np
from matplotlib.figure import Figure
from typing_extensions import override

from acereason.common.types import Group
from acereason.data.stage import Stage
from acereason.modules.grpo import GRPOModule
from acereason.modules.hooks import RolloutCallback
from acereason.processes.distributed import gather
from acereason.runs.loggers import tensorboards

LAYOUT = {
    "is it healthy?": {
        "reward and accuracy": ["Multiline", ["reward/mean", "eval/.*/avg"]],
        # why: tags are patterns; without `$` the first and last tenth's entropy would be drawn as well
        "entropy and temperature": ["Multiline", ["policy/entropy$", "policy/temperature"]],
        "response length": ["Multiline", ["response/length_mean", "response/length_max"]],
        "truncated, without gradient, errors": [
            "Multiline",
            ["response/truncated", "reward/zero_variance", "reward/error_rate"],
        ],
        "gradient norm": ["Multiline", ["policy/grad_norm"]],
        "log-probs of engine and trainer": ["Multiline", ["sync/logprob_gap$", "sync/probe_gap"]],
        "tokens a second": ["Multiline", ["throughput/tokens_per_second"]],
        "seconds of a step": ["Multiline", ["time/rollout", "time/reward", "time/train", "sync/seconds"]],
        "stage": ["Multiline", ["stage/index", "stage/epoch"]],
        "problems": ["Multiline", ["stage/remaining", "stage/filtered"]],
    }
}
"""Layout of the custom scalars tab: one screen, {chart: [kind, patterns of metric names]}."""


class TensorBoard(RolloutCallback):
    """Adds to TensorBoard a screen of custom scalars that answers whether the run is healthy, histograms of response
    length and of problems' pass rates, and a picture of the curriculum. Without a TensorBoardLogger it does nothing.

    Args:
        every_n_steps: steps between two histograms.
    """

    # why: after what settles rewards and settings, which it records
    place: ClassVar[int] = 70

    def __init__(self, every_n_steps: int = 10) -> None:
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, not {every_n_steps}")
        self.every_n_steps = every_n_steps

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: GRPOModule) -> None:
        for writer in tensorboards(trainer):
            writer.add_custom_scalars(LAYOUT)

    @override
    def on_rollouts(self, trainer: pl.Trainer, module: GRPOModule, groups: list[Group]) -> None:
        if trainer.global_step % self.every_n_steps:
            return
        # why: rates and lengths alone cross ranks: groups with their texts and log-probs are large
        seen = gather([(g.pass_rate, [len(r.response.token_ids) for r in g.rollouts]) for g in groups])
        lengths = [length for _, rollouts in seen for length in rollouts]
        for writer in tensorboards(trainer):
            writer.add_histogram("response/length", np.array(lengths), trainer.global_step)
            writer.add_histogram("reward/pass_rate", np.array([rate for rate, _ in seen]), trainer.global_step)

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: GRPOModule) -> None:
        stages = pl_module.curriculum
        for writer in tensorboards(trainer):
            picture = draw_curriculum(stages.stages, stages.plan.stage)
            writer.add_figure("curriculum", picture, trainer.global_step)


def draw_curriculum(stages: dict[str, Stage], current: str) -> Figure:
    """Draw a bar for each stage, as high as its response budget; the current stage's is darker.

    Args:
        stages: the stages in their order.
        current: name of the stage that the run is in.
    """
    figure = Figure(figsize=(1.5 + 1.3 * len(stages), 3.2), layout="constrained")
    axes = figure.subplots()
    budgets = [stage.max_response_length or 0 for stage in stages.values()]
    colours = ["tab:blue" if name == current else "lightsteelblue" for name in stages]
    bars = axes.bar(range(len(stages)), budgets, color=colours)
    axes.bar_label(bars, [f"{budget:,}" if budget else "the model's" for budget in budgets], fontsize=8)
    axes.set_xticks(range(len(stages)), [f"{name}\n{_told(stage)}" for name, stage in stages.items()], fontsize=8)
    axes.set_ylabel("response budget, tokens")
    axes.margins(y=0.12)
    return figure


def _told(stage: Stage) -> str:
    """Return a stage's length and its policy for truncated responses, a line each."""
    length = f"{stage.steps} steps" if stage.steps else f"{stage.epochs} epochs"
    return f"{length}\n{stage.overlong or ''}"
