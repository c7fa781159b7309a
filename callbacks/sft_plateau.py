"""This callback ends SFT when it has had enough epochs."""

import math
from typing import Any, ClassVar, Literal

import lightning.pytorch as pl
from lightning.pytorch.utilities import rank_zero_info
from typing_extensions import override

from acereason.common.errors import UserError
from acereason.evaluation.accuracy import Accuracy
from acereason.modules.base import QwenModule
from acereason.modules.hooks import RolloutCallback


class SFTPlateau(RolloutCallback):
    """Ends SFT after an epoch that is no better than the best before it.

    "The model's performance gradually improves from the 1st to the 5th epoch, and begins to plateau around the 5th to
    6th epoch" (4.4.3); each blend "is trained until the accuracy plateaus" (Figure 5). The paper measures accuracy;
    the loss on held-out rows rises earlier, since "a certain degree of overfitting may actually enhance test accuracy".
    So with that loss it is `min_epochs` that keeps to the paper's rule. Exports of all epochs stay; the log names the
    best.

    Args:
        monitor: metric that is compared: eval/NAME/loss of a source under data.heldout, or eval/NAME/avg of a
            benchmark that another callback evaluates before the epoch ends and reports by `on_evaluation`.
        mode: whether less (min) or more (max) is better.
        min_epochs: number of epochs that SFT has at least.
        patience: number of epochs in a row, none better than the best, that end SFT.
        min_delta: margin by which an epoch must exceed the best to be better.
    """

    # why: after whatever may evaluate what it compares
    place: ClassVar[int] = 110

    def __init__(
        self,
        monitor: str,
        mode: Literal["min", "max"],
        min_epochs: int = 1,
        patience: int = 1,
        min_delta: float = 0.0,
    ) -> None:
        for name, value in {"min_epochs": min_epochs, "patience": patience}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        self.monitor, self.mode, self.min_epochs = monitor, mode, min_epochs
        self.patience, self.min_delta = patience, min_delta
        self.measured: list[tuple[int, float]] = []
        """(epoch, value) of each measured epoch, counted from 0."""
        self._accuracies: dict[str, float] = {}

    @override
    def on_evaluation(self, trainer: pl.Trainer, module: QwenModule, accuracies: dict[str, Accuracy]) -> None:
        self._accuracies |= {f"eval/{name}/avg": accuracy.avg for name, accuracy in accuracies.items()}

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: QwenModule) -> None:
        # why: a run that was finished and is resumed must not train on for an epoch before it notices
        trainer.should_stop = self.stopped

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: QwenModule) -> None:
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()} | self._accuracies
        if self.monitor not in metrics:
            known = sorted(name for name in metrics if name.startswith("eval/"))
            raise UserError(f"SFTPlateau.monitor: nothing measures {self.monitor}; there are {known}")
        self.measured.append((trainer.current_epoch, metrics[self.monitor]))
        # why: an accuracy of this epoch must not pass for the next one's
        self._accuracies = {}
        if self.stopped:
            trainer.should_stop = True
            rank_zero_info(
                f"SFT ends after epoch {trainer.current_epoch}, counted from 0: {self.monitor} is no better than "
                f"{self.best:.4f}, of epoch {self.best_epoch}"
            )

    @property
    def best_epoch(self) -> int:
        """The best epoch: no later one is better by more than `min_delta`. NaN is never better."""
        return self.measured[self._best][0]

    @property
    def best(self) -> float:
        """Value of the best epoch."""
        return self.measured[self._best][1]

    @property
    def without(self) -> int:
        """Number of epochs since the best."""
        return len(self.measured) - 1 - self._best

    @property
    def stopped(self) -> bool:
        """Whether SFT has had enough epochs."""
        # why: decided anew from the values, since a resumed run may have another `patience`, `mode` or `min_epochs`
        return bool(self.measured) and self.without >= self.patience and self.measured[-1][0] + 1 >= self.min_epochs

    @property
    def _best(self) -> int:
        sign, best = 1 if self.mode == "max" else -1, 0
        for place, (_, value) in enumerate(self.measured):
            if sign * (value - self.measured[best][1]) > self.min_delta:
                best = place
        return best

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"monitor": self.monitor, "measured": self.measured}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if "measured" not in state_dict:
            self.measured = _measured(**state_dict)
        # why: values of another monitor don't compare with this one's; it then begins without any
        elif state_dict["monitor"] == self.monitor:
            self.measured = list(state_dict["measured"])


def _measured(best: float | None, best_epoch: int, without: int, stopped: bool) -> list[tuple[int, float]]:
    """Return the (epoch, value) pairs that an older checkpoint implies."""
    # why: it says of the epochs after the best one only that none was better, which NaN never is
    after = [(best_epoch + number, math.nan) for number in range(1, without + 1)]
    return [] if best is None else [(best_epoch, best), *after]
