"""The optimizer of a policy: its settings and its schedule, and a step on a gradient that is divided once."""

from collections.abc import Iterable

import torch
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from acereason.algorithm.schedule import Schedule
from acereason.common.errors import UserError, first_line
from acereason.models.qwen import Qwen
from acereason.modules.recording import RecordingModule
from acereason.processes.tensors import whole


class OptimizedModule(RecordingModule):
    """A policy's optimizer, which the module steps itself.

    Args:
        optimizer: built on the (sharded) parameters.
        schedule: learning-rate factor over steps.
        max_grad_norm: gradients are scaled down to this norm; null never clips.
    """

    model: Qwen

    def __init__(self, optimizer: OptimizerCallable, schedule: Schedule, max_grad_norm: float | None) -> None:
        super().__init__()
        if max_grad_norm is not None and max_grad_norm <= 0:
            raise ValueError(f"max_grad_norm must be above 0, or null to clip nothing, not {max_grad_norm}")
        self.automatic_optimization = False
        self.build_optimizer, self.schedule, self.max_grad_norm = optimizer, schedule, max_grad_norm
        self._schedule = schedule
        self.learning_rate = 0.0
        """Learning rate before the schedule's factor: the optimizer's, until a stage sets its own."""

    def configure_optimizers(self) -> Optimizer:
        """The optimizer; its learning rate is set before every update."""
        optimizer = self.optimizer_of(parameter for parameter in self.model.parameters() if parameter.requires_grad)
        self.learning_rate = float(optimizer.param_groups[0]["lr"])
        self._settings = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
        return optimizer

    def on_train_start(self) -> None:
        """Give the optimizer the settings of the config: with its state it has taken those of the checkpoint."""
        if self.schedule.open_end:
            self._schedule = self.schedule.over(self.planned_updates())
        for group, settings in zip(self._optimizer.param_groups, self._settings, strict=True):
            group.update(settings)

    def planned_updates(self) -> float:
        """Return the updates of the whole run if no callback ends it sooner; infinite where nothing else ends it."""
        return self.trainer.estimated_stepping_batches

    def optimizer_of(self, parameters: Iterable[torch.nn.Parameter]) -> Optimizer:
        """Return the optimizer of these parameters; a UserError where it refuses a value, such as a negative rate."""
        try:
            return self.build_optimizer(parameters)
        except ValueError as error:
            raise UserError(f"model.optimizer: {first_line(error)}") from error

    def optimizer_settings(self) -> set[str]:
        """Return the names of the settings that the optimizer has."""
        return set(self._smallest().param_groups[0]) - {"params"}

    def takes_torchao(self) -> bool:
        """Return whether the optimizer is one of torchao's."""
        return type(self._smallest()).__module__.startswith("torchao.")

    def _smallest(self) -> Optimizer:
        return self.optimizer_of([torch.nn.Parameter(torch.zeros(1))])

    @property
    def _optimizer(self) -> LightningOptimizer:
        """The one optimizer that `configure_optimizers` returns."""
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)
        return optimizer

    def step_optimizer(self, denominator: float, last: bool) -> tuple[float, float]:
        """Step the optimizer on the accumulated gradient over `denominator`, and forget the gradient.

        Args:
            denominator: of the objective.
            last: whether this counts as a step of the run.

        Returns:
            the gradient's norm before it is clipped, and the learning rate.
        """
        optimizer = self._optimizer
        rate = self.learning_rate * self._schedule.factor(self.trainer.global_step)
        for group in optimizer.param_groups:
            # why: an optimizer of torchao holds its rate as a tensor, and refuses a number in its place
            group["lr"] = torch.full_like(group["lr"], rate) if isinstance(group["lr"], Tensor) else rate
        for parameter in self.model.parameters():
            if parameter.grad is not None:
                parameter.grad.div_(denominator)
        norm = clip_grad_norm_(self.model.parameters(), self.max_grad_norm or float("inf"), error_if_nonfinite=True)
        if last:
            optimizer.step()
        else:
            # why: Lightning counts a global step for each step of its wrapper, and a step is a batch of rollouts
            self.trainer.strategy.optimizer_step(optimizer.optimizer, lambda: None)
        optimizer.zero_grad()
        return whole(norm).item(), rate
