"""A policy with a teacher: it starts with training, tells what it thinks of each step's responses, and ends with it."""

from contextlib import nullcontext
from typing import Any

from lightning.pytorch.utilities import rank_zero_info

from acereason.common.types import Group
from acereason.modules.distillation import Distillation, Teacher
from acereason.modules.measured import MeasuredModule


class TaughtModule(MeasuredModule):
    """A policy whose responses a teacher may be asked about.

    Args:
        teacher: gives each token of the policy's responses an advantage, beside the verifier or in its place; null:
            there is none.
    """

    def __init__(self, teacher: Teacher | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.distillation = None if teacher is None else Distillation(teacher, self)

    def setup(self, stage: str) -> None:
        """Check the teacher, then start the engine."""
        # why first: the engine takes a minute to start
        if self.distillation is not None and stage == "fit":
            self.distillation.check(self.data, self.sampling)
        super().setup(stage)

    def configure_model(self) -> None:
        """Build the model, and beside it a local teacher."""
        super().configure_model()
        if self.distillation is not None and self.trainer.state.fn == "fit":
            mesh = None if self.device_mesh is None else self.device_mesh["data_parallel"]
            self.distillation.build(self.trainer.strategy.root_device, mesh)

    def on_train_start(self) -> None:
        """Say how the teacher counts."""
        super().on_train_start()
        if self.distillation is not None:
            rank_zero_info(str(self.distillation))

    def taught(self, groups: list[Group]) -> None:
        """Give the responses of this rank's groups the teacher's advantages. Every rank must call it as often."""
        if self.distillation is None:
            return
        # why: ranks compute a local teacher together, so that none of them may leave before the others
        waits = self.breaking_off() if self.distillation.served else nullcontext()
        with waits, self.section("teacher"):
            self.distillation.teach(groups, self.sampling.temperature)

    def told(self) -> dict[str, float]:
        """Return the metrics of what the teacher has told in this step; none without a teacher. It raises where the
        teacher gave no log-probs of too many responses."""
        return {} if self.distillation is None else self.distillation.metrics()

    def teardown(self, stage: str) -> None:
        """Stop the engine, the verifiers and the teacher."""
        super().teardown(stage)
        if self.distillation is not None:
            self.distillation.close()
