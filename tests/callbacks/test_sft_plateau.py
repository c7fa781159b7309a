import math

import pytest

from acereason.common.errors import UserError
from acereason.evaluation.accuracy import Accuracy
from callbacks import SFTPlateau
from tests.support.fakes import FakeModule, fake_trainer

LOSS = "eval/heldout/loss"


def stopped_after(callback: SFTPlateau, *values: float, monitor: str = LOSS, since: int = 0) -> int | None:
    """The epoch, counted from 0, whose measure ends the run."""
    for epoch, value in enumerate(values, since):
        trainer = fake_trainer(callback_metrics={monitor: value}, current_epoch=epoch, should_stop=False)
        callback.on_train_epoch_end(trainer, FakeModule())
        assert trainer.should_stop == callback.stopped
        if trainer.should_stop:
            return epoch
    return None


@pytest.mark.parametrize(
    ("settings", "values", "epoch"),
    [
        ({}, [3.0, 2.0, 1.0, 0.5], None),
        ({}, [3.0, 2.0, 2.0], 2),  # the same is no better
        ({}, [3.0, 3.1], 1),
        ({"patience": 2}, [3.0, 3.1, 2.0, 2.1, 2.2], 4),
        ({"min_epochs": 4}, [3.0, 3.1, 3.2, 3.3, 3.0], 3),
        ({"min_epochs": 5}, [3.0, 3.1, 3.2, 3.3, 2.9, 3.0], 5),  # the fifth was better: one more
        ({"min_delta": 0.1}, [3.0, 2.95], 1),
        ({"mode": "max"}, [0.3, 0.4, 0.4], 2),
        ({}, [3.0, math.nan], 1),
    ],
)
def test_it_ends_after_an_epoch_that_is_no_better(settings, values, epoch):
    callback = SFTPlateau(**{"monitor": LOSS, "mode": "min"} | settings)
    assert stopped_after(callback, *values) == epoch


def test_the_best_is_kept_over_a_checkpoint():
    first, second = (SFTPlateau(LOSS, "min", patience=2) for _ in range(2))
    assert stopped_after(first, 3.0, 3.5) is None
    second.load_state_dict(first.state_dict())
    assert stopped_after(second, 3.2, since=2) == 2
    assert (second.best, second.best_epoch, second.without) == (3.0, 0, 2)


def test_a_finished_run_stays_finished():
    first, second = SFTPlateau(LOSS, "min"), SFTPlateau(LOSS, "min")
    stopped_after(first, 3.0, 3.5)
    second.load_state_dict(first.state_dict())
    trainer = fake_trainer(should_stop=False)
    second.on_train_start(trainer, FakeModule())
    assert trainer.should_stop


def test_an_accuracy_that_callbacks_are_told_of():
    callback = SFTPlateau("eval/aime24/avg", "max")
    for avg, stops in ((0.3, False), (0.4, False), (0.35, True)):
        trainer = fake_trainer(callback_metrics={LOSS: 1.0}, current_epoch=0, should_stop=False)
        callback.on_evaluation(
            trainer, FakeModule(), {"aime24": Accuracy(avg, 0.1, 30, 16, 0.0, 900.0, 0.1, 0.05, 0.6)}
        )
        callback.on_train_epoch_end(trainer, FakeModule())
        assert trainer.should_stop == stops


def test_a_measure_that_nobody_makes_is_an_error():
    with pytest.raises(UserError, match=rf"nothing measures eval/x/loss; there are \['{LOSS}'\]"):
        stopped_after(SFTPlateau("eval/x/loss", "min"), 3.0)


@pytest.mark.parametrize("name", ["min_epochs", "patience"])
def test_settings_that_cannot_work(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        SFTPlateau(LOSS, "min", **{name: 0})


@pytest.mark.parametrize(
    ("settings", "stops"),
    [
        ({}, True),
        ({"patience": 2}, True),
        ({"patience": 3}, False),
        ({"min_epochs": 5}, False),
        ({"min_delta": 0.05}, True),
        ({"mode": "max", "patience": 3}, True),
        ({"monitor": "eval/other/loss"}, False),
    ],
)
def test_a_resumed_run_decides_by_the_settings_of_now(settings, stops):
    first = SFTPlateau(LOSS, "min", patience=2)
    assert stopped_after(first, 3.0, 2.0, 2.1, 2.2) == 3
    second, trainer = SFTPlateau(**{"monitor": LOSS, "mode": "min"} | settings), fake_trainer(should_stop=False)
    second.load_state_dict(first.state_dict())
    second.on_train_start(trainer, FakeModule())
    assert trainer.should_stop == stops


@pytest.mark.parametrize(("patience", "stops"), [(2, True), (3, False)])
def test_an_older_checkpoint_that_holds_the_best_alone(patience, stops):
    older, trainer = SFTPlateau(LOSS, "min", patience=patience), fake_trainer(should_stop=False)
    older.load_state_dict({"best": 2.0, "best_epoch": 1, "without": 2, "stopped": True})
    older.on_train_start(trainer, FakeModule())
    assert trainer.should_stop == stops
    assert (older.best, older.best_epoch, older.without) == (2.0, 1, 2)
    older.load_state_dict({"best": None, "best_epoch": 0, "without": 0, "stopped": False})
    assert older.measured == []
