"""The curriculum as data: stages, and the plan of each epoch as a pure function of the plan before it."""

from dataclasses import dataclass
from typing import Literal

from acereason.errors import UserError

OverlongPolicy = Literal["mask", "penalize", "soft"]


CALLBACK_OF = {
    "max_response_length": "Curriculum",
    "group_size": "Curriculum",
    "temperature": "Curriculum",
    "learning_rate": "Curriculum",
    "overlong": "Overlong",
    "easy_filter": "EasyFilter",
}
"""The callback that puts a stage's setting in force."""


@dataclass
class Stage:
    """One entry of the curriculum. What is null is the model's own setting."""

    sources: list[str]
    """Names under data.sources whose problems this stage trains on."""
    steps: int
    """Updates in this stage."""
    max_response_length: int | None = None
    """Response budget, tokens."""
    group_size: int | None = None
    """Rollouts of a prompt (G)."""
    prompts_per_step: int = 128
    """Prompts of one update, over all ranks."""
    temperature: float | None = None
    """Sampling temperature; the paper chooses it so that the temperature-adjusted entropy is about 0.3 (4.5.2)."""
    overlong: OverlongPolicy | None = None
    """What becomes of truncated responses; null leaves it to callbacks.Overlong."""
    easy_filter: bool = False
    """From its second epoch on, leave out problems whose every rollout was correct the epoch before (3.2.3)."""
    learning_rate: float | None = None
    """Learning rate; null keeps the optimizer's."""

    def check(self, key: str) -> None:
        """Raise a UserError for a value that can't work; `key` names this stage."""
        for name in ("steps", "prompts_per_step", "max_response_length"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{key}.{name}: must be at least 1, not {value}")
        if self.group_size is not None and self.group_size < 2:
            raise UserError(
                f"{key}.group_size: must be at least 2, not {self.group_size}: a group of one has no baseline"
            )
        if self.temperature is not None and self.temperature <= 0:
            raise UserError(f"{key}.temperature: must be above 0, not {self.temperature}")
        if not self.sources:
            raise UserError(f"{key}.sources: name at least one of data.sources")

    def check_callbacks(self, key: str, listed: set[str]) -> None:
        """Raise a UserError for a setting that no listed callback would put in force."""
        for name, callback in CALLBACK_OF.items():
            if getattr(self, name) and callback not in listed:
                raise UserError(f"{key}.{name}: needs {callback} in trainer.callbacks")


@dataclass
class Plan:
    """What one epoch trains on. It is decided when the epoch starts and saved with the checkpoint."""

    stage: str
    epoch: int
    """Lightning's epoch, counted over the whole run."""
    stage_epoch: int
    """Epochs of this stage before this one."""
    stage_start: int
    """global_step at which the stage began."""
    epoch_start: int
    """global_step at which this epoch began."""


def next_plan(stages: dict[str, Stage], previous: Plan | None, epoch: int, step: int) -> Plan | None:
    """The plan of the epoch that starts at global step `step`, or None when the last stage is done."""
    names = list(stages)
    if previous is None:
        return Plan(names[0], epoch, stage_epoch=0, stage_start=step, epoch_start=step)
    if step - previous.stage_start < stages[previous.stage].steps:
        return Plan(previous.stage, epoch, previous.stage_epoch + 1, previous.stage_start, epoch_start=step)
    following = names[names.index(previous.stage) + 1 :]
    if not following:
        return None
    return Plan(following[0], epoch, stage_epoch=0, stage_start=step, epoch_start=step)
