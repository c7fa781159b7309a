"""This module has what `preflight` checks: a config's trainer, module and data, and the trainer that the config asks
for."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeGuard, TypeVar

import lightning.pytorch as pl

from acereason.modules.base import QwenModule
from acereason.verbs.preflight.checks import Checks
from acereason.verbs.preflight.memory import count_parameters

M = TypeVar("M", bound=QwenModule, covariant=True)
N = TypeVar("N", bound=QwenModule)


@dataclass
class Planned:
    """The trainer that the config asks for; `preflight` itself runs on one CPU and starts nothing."""

    accelerator: str
    devices: int | str
    num_nodes: int
    strategy: str
    """Class name of the strategy, or Lightning's word for it."""
    mesh: int | None
    """Number of ranks in the strategy's device mesh; None without one."""
    ckpt_path: str | None = None
    """Checkpoint from which the run would start."""
    device: str | None = None
    """Name of a device to compare memory with and to estimate hours for; None compares with this machine on a CPU."""
    tokens_per_second: float | None = None
    """Measured response tokens a second over all ranks and the whole step, for hours; None leaves them out."""

    @property
    def ranks(self) -> int:
        """Number of processes on all machines, one on each where `devices` leaves it open."""
        return (self.devices if isinstance(self.devices, int) and self.devices > 0 else 1) * self.num_nodes


@dataclass
class Job(Generic[M]):
    """A config whose trainer, module and data have been instantiated, and the findings about it so far."""

    checks: Checks
    trainer: pl.Trainer
    module: M
    """The module that trains or evaluates, with its data."""
    planned: Planned

    @cached_property
    def parameters(self) -> int:
        """Number of the model's parameters."""
        return count_parameters(self.module.config)


def is_of(job: Job[Any], kind: type[N]) -> TypeGuard[Job[N]]:
    """Return whether a job's module is of a class."""
    return isinstance(job.module, kind)
