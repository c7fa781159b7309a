"""The settings of a stage of the curriculum, and their checks."""

from dataclasses import dataclass
from typing import Literal, TypeVar

from acereason.common.errors import UserError

OverlongPolicy = Literal["mask", "penalize", "soft"]
T = TypeVar("T")


CALLBACKS_OF = {
    "max_response_length": ["Curriculum"],
    "group_size": ["Curriculum"],
    "temperature": ["Curriculum"],
    "learning_rate": ["Curriculum"],
    "overlong": ["Overlong"],
    "easy_filter": ["EasyFilter"],
    "keep_filtered": ["EasyFilter"],
    "screen": ["EasyFilter"],
    "monitor": ["Plateau", "Evaluation"],
}
"""The callbacks that apply each setting of a stage."""


@dataclass
class Stage:
    """One stage of the curriculum. A null setting takes the model's own."""

    sources: list[str] | dict[str, float]
    """Names under data.sources whose problems this stage trains on; or each with the share of its problems, above 0 and
    up to 1, that an epoch draws anew."""
    steps: int | None = None
    """Steps in this stage, each with one update unless `model.off_policy` takes several; null: `epochs` ends it."""
    epochs: int | None = None
    """Passes over the problems that are left; null: `steps` ends it. With both, whichever comes first."""
    difficulty: tuple[float, float] | None = None
    """Lowest and highest difficulty of a problem, both included; null takes all."""
    max_response_length: int | None = None
    """Response budget, tokens."""
    group_size: int | list[int] | None = None
    """Rollouts of a prompt (G); a list has one value for each epoch, the last for all that follow."""
    prompts_per_step: int = 128
    """Prompts of a step, over all ranks."""
    refill: int = 0
    """Rounds at most in which a step replaces its groups without a gradient by groups of further prompts of the epoch,
    as DAPO does (arXiv 2503.14476, 3.2), beyond the paper; 0: none."""
    temperature: float | list[float] | None = None
    """Sampling temperature; the paper chooses it so that the temperature-adjusted entropy is about 0.3 (4.5.2). A list
    has one value for each epoch, the last for all that follow."""
    overlong: OverlongPolicy | None = None
    """Treatment of truncated responses; null leaves it to callbacks.Overlong."""
    easy_filter: bool = False
    """From its second epoch on, leave out problems whose every rollout was correct the epoch before (3.2.3)."""
    keep_filtered: bool = False
    """Leave out the problems, too, that the filter and screen of the stage before have left out by its end: for a stage
    that continues it with some settings changed."""
    screen: float | None = None
    """Before its first step, roll out every problem once with the policy that starts it, and leave out those with at
    least this share of correct rollouts; 1.0: those that every rollout solves (3.2.3, math stages 3 and 4)."""
    learning_rate: float | None = None
    """Learning rate; null keeps the optimizer's."""
    monitor: str | None = None
    """Benchmark whose avg tells the stage's best policy."""
    patience: int | None = None
    """Evaluations in a row without a better `monitor` that end the stage early; null: never."""
    start_from: Literal["last", "best"] = "last"
    """`last` goes on with policy and optimizer as they are; `best` with the policy that was best by the previous
    stage's `monitor`, and a fresh optimizer."""

    @property
    def shares(self) -> dict[str, float]:
        """{source: share of its problems in an epoch}"""
        return self.sources if isinstance(self.sources, dict) else dict.fromkeys(self.sources, 1.0)

    def check(self, key: str) -> None:
        """Raise a UserError for a value that can't work; `key` names this stage."""
        for name in ("steps", "epochs", "prompts_per_step", "max_response_length", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{key}.{name}: must be at least 1, not {value}")
        mistakes = {
            f"refill: must be at least 0, not {self.refill}": self.refill < 0,
            "steps: give steps or epochs, or the stage never ends": self.steps is None and self.epochs is None,
            "sources: name at least one of data.sources": not self.sources,
            f"group_size: must be at least 2, not {self.group_size}: a group of one has no baseline": (
                any(size < 2 for size in values_of(self.group_size))
            ),
            f"temperature: must be above 0, not {self.temperature}": (
                any(temperature <= 0 for temperature in values_of(self.temperature))
            ),
            "group_size: an empty list": self.group_size == [],
            "temperature: an empty list": self.temperature == [],
            f"screen: must be above 0 and at most 1, not {self.screen}": (
                self.screen is not None and not 0 < self.screen <= 1
            ),
            "patience: needs a benchmark in monitor": self.patience is not None and self.monitor is None,
        }
        for message, made in mistakes.items():
            if made:
                raise UserError(f"{key}.{message}")
        for source, share in self.shares.items():
            if not 0 < share <= 1:
                raise UserError(f"{key}.sources.{source}: a share is above 0 and at most 1, not {share}")

    def check_callbacks(self, key: str, present: set[str]) -> None:
        """Raise a UserError for a setting that no callback of the trainer would apply, or that two would."""
        for name, callbacks in CALLBACKS_OF.items():
            for callback in callbacks if getattr(self, name) else []:
                if callback not in present:
                    raise UserError(f"{key}.{name}: needs {callback} in trainer.callbacks")
        if isinstance(self.temperature, list) and "TemperatureController" in present:
            raise UserError(f"{key}.temperature: TemperatureController moves it already; give one value, or none")

    def temperature_in(self, epoch: int) -> float | None:
        """Return the stage's sampling temperature in its epoch of this number, from 0; None for the model's own."""
        return _in_epoch(self.temperature, epoch)

    def group_size_in(self, epoch: int) -> int | None:
        """Return the stage's rollouts of a prompt in its epoch of this number, from 0; None for the model's own."""
        return _in_epoch(self.group_size, epoch)


def values_of(value: T | list[T] | None) -> list[T]:
    """Return the values of a setting that may have one for each epoch, as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _in_epoch(value: T | list[T] | None, epoch: int) -> T | None:
    values = values_of(value)
    return values[min(epoch, len(values) - 1)] if values else None
