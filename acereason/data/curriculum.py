"""The curriculum: where a run is in its stages. The plan of each epoch is a pure function of the plan before it."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from acereason.common.errors import UserError
from acereason.data.stage import Stage


@dataclass
class Plan:
    """The stage and position of one epoch. It is decided when the epoch starts and saved with the checkpoint."""

    stage: str
    epoch: int
    """Lightning's epoch, counted over the whole run."""
    stage_epoch: int
    """Epochs of this stage before this one."""
    stage_start: int
    """global_step at which the stage began."""
    epoch_start: int
    """global_step at which this epoch began."""
    stopped: bool = False
    """Whether the stage's stop rule has ended it before its steps and epochs are over."""
    without: int | None = None
    """Evaluations in a row without a better policy; patience stops a stage by them; None: they are not counted."""
    best: str | None = None
    """Folder of the stage's best policy so far."""
    starts_from: str | None = None
    """Folder of the policy that the stage starts from; None: it continues with the current one."""


class Curriculum:
    """The stages of a run in their order, and the plan of the epoch that the run is in.

    Args:
        stages: the stages by name, at least one where the run trains.
    """

    def __init__(self, stages: dict[str, Stage]) -> None:
        self.stages = stages
        self._plan: Plan | None = None
        self._in_force: str | None = None
        """Stage that this process has begun; None before its first epoch."""
        self._epoch_steps = 0

    @property
    def plan(self) -> Plan:
        """The plan of the current epoch; an AttributeError before the first epoch."""
        # why: an AttributeError, so that `getattr(data, "plan", None)` tells RL in an epoch from all else
        if self._plan is None:
            raise AttributeError("no epoch has been planned yet")
        return self._plan

    @property
    def current(self) -> Stage:
        """The stage of the current epoch."""
        return self.stages[self.plan.stage]

    @property
    def index(self) -> int:
        """The number of the current stage, from 0."""
        return list(self.stages).index(self.plan.stage)

    def advance(self, epoch: int, step: int) -> bool:
        """Plan the epoch that starts at global step `step`, unless it is planned already.

        Returns:
            whether its stage begins, or is the one that this process resumes in: its settings are to be put in force.
        """
        if self._plan is None:
            self._plan = first_plan(self.stages)
        elif self._plan.epoch != epoch:
            self._plan = next_plan(self.stages, self._plan, epoch, step) or self._plan
        begins = self._plan.stage != self._in_force
        self._in_force = self._plan.stage
        return begins

    def begin_epoch(self, steps: int) -> None:
        """Take in the number of steps that the planned epoch has."""
        self._epoch_steps = steps

    def observe(self, without: int, best: str | None = None) -> bool:
        """Take in an evaluation by the stage's monitor, which ends the stage once its patience is over.

        Args:
            without: evaluations in a row, this one included, without a better policy.
            best: folder of this policy, where it is the stage's best so far.

        Returns:
            whether the stage ends by it.
        """
        plan, patience = self.plan, self.current.patience
        plan.without, plan.best = without, best or plan.best
        if best is None and patience is not None and without >= patience:
            plan.stopped = True
        return plan.stopped

    def ended(self, step: int) -> bool:
        """Return whether the stage has had its last step at global step `step`."""
        # why: `stage_epoch` counts the epochs before this one, which counts too once its last step is done
        passed = step - self.plan.epoch_start >= self._epoch_steps
        return stage_over(self.current, self.plan, step, self.plan.stage_epoch + passed)

    def finished(self, step: int) -> bool:
        """Return whether the last stage has had its last step at global step `step`."""
        return self._plan is not None and self.plan.stage == list(self.stages)[-1] and self.ended(step)

    def state_dict(self) -> dict[str, Any]:
        """Return the plan of the current epoch."""
        return {"plan": asdict(self._plan) if self._plan else None}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the plan, under the stages as they are configured now."""
        self._plan = restored(state_dict["plan"], self.stages) if state_dict["plan"] else None


def restored(state: dict[str, Any], stages: dict[str, Stage]) -> Plan:
    """Return the plan of a checkpoint, under the stages as they are configured now."""
    plan = Plan(**state)
    if plan.stage not in stages:
        raise UserError(f"data.stages: the checkpoint is in stage {plan.stage!r}, which is not among them")
    # why: a resumed run may have another patience, which stops the stage earlier or lets it go on
    if plan.without is not None:
        patience = stages[plan.stage].patience
        plan.stopped = patience is not None and plan.without >= patience
    return plan


def first_plan(stages: dict[str, Stage]) -> Plan:
    """Return the plan of a run's first epoch."""
    return Plan(next(iter(stages)), epoch=0, stage_epoch=0, stage_start=0, epoch_start=0)


def next_plan(stages: dict[str, Stage], previous: Plan, epoch: int, step: int) -> Plan | None:
    """Return the plan of the epoch that starts at global step `step`, or None if the last stage is done."""
    if not stage_over(stages[previous.stage], previous, step, epochs=previous.stage_epoch + 1):
        return replace(previous, epoch=epoch, stage_epoch=previous.stage_epoch + 1, epoch_start=step)
    names = list(stages)
    following = names[names.index(previous.stage) + 1 :]
    if not following:
        return None
    best = previous.best if stages[following[0]].start_from == "best" else None
    return Plan(following[0], epoch, stage_epoch=0, stage_start=step, epoch_start=step, starts_from=best)


def stage_over(stage: Stage, plan: Plan, step: int, epochs: int) -> bool:
    """Return whether the plan's stage has ended at global step `step`, after `epochs` whole epochs of it."""
    enough_steps = stage.steps is not None and step - plan.stage_start >= stage.steps
    return plan.stopped or enough_steps or (stage.epochs is not None and epochs >= stage.epochs)
