"""This callback writes rollout texts with their verdicts, for people to read."""

from typing import ClassVar

import lightning.pytorch as pl
from lightning.pytorch.loggers import TensorBoardLogger
from typing_extensions import override

from acereason.common.texts import without_halves
from acereason.common.types import Group
from acereason.modules.grpo import GRPOModule
from acereason.modules.hooks import RolloutCallback
from acereason.runs.files import RunFiles


class Samples(RolloutCallback):
    """Writes some of rank 0's rollouts to `samples.jsonl` in the run's folder and to TensorBoard's text tab.

    It shows each rollout's final reward, and whether it is in the loss.

    Args:
        every_n_steps: steps between two writings.
        groups: number of groups each time.
        rollouts: number of rollouts of each group.
    """

    # why: after Overlong: it shows each rollout's final reward, and whether it is in the loss
    place: ClassVar[int] = 70

    def __init__(self, every_n_steps: int = 10, groups: int = 1, rollouts: int = 2) -> None:
        self.every_n_steps, self.groups, self.rollouts = every_n_steps, groups, rollouts

    @override
    def on_rollouts(self, trainer: pl.Trainer, module: GRPOModule, groups: list[Group]) -> None:
        if trainer.global_step % self.every_n_steps:
            return
        rows = [
            row
            for group in groups[: self.groups]
            for row in self.rows(module.curriculum.plan.stage, trainer.global_step, group)
        ]
        RunFiles.of(trainer).samples.append(rows)
        if trainer.is_global_zero and isinstance(trainer.logger, TensorBoardLogger):
            trainer.logger.experiment.add_text(
                "rollouts", without_halves("\n\n---\n\n".join(map(_markdown, rows))), trainer.global_step
            )

    def rows(self, stage: str, step: int, group: Group) -> list[dict]:
        """Return the rows of a group's first rollouts in `samples.jsonl`."""
        return [
            {
                "stage": stage,
                "step": step,
                "problem": group.problem.id,
                "statement": group.problem.statement,
                "answer": group.problem.answer,
                "response": rollout.response.text,
                "length": len(rollout.response.token_ids),
                "finish_reason": rollout.response.finish_reason,
                "status": rollout.verdict.status,
                "detail": rollout.verdict.detail,
                "reward": rollout.reward,
                "in_loss": rollout.in_loss,
            }
            for rollout in group.rollouts[: self.rollouts]
        ]


def _markdown(row: dict) -> str:
    # why: a fenced block, since TensorBoard renders text as Markdown
    fate = f"reward {row['reward']}" if row["in_loss"] else "masked"
    length = f"{row['length']} tokens ({row['finish_reason']})"
    head = f"**{row['problem']}** · {row['status']} · {fate} · {length} · answer `{row['answer']}`"
    return f"{head}\n\n```\n{row['statement']}\n\n{row['response']}\n```"
