from types import SimpleNamespace

import pytest

from acereason.algorithm.schedule import Schedule
from acereason.verbs.preflight.checks import Checks
from acereason.verbs.preflight.training import check_schedule
from callbacks import SFTPlateau

FLOOR = "the learning rate is at its floor, 0.1 of the optimizer's, at the run's last update, 93,000"
LATE = (
    "186,000, the run has 93,000 updates: it does not come to its end; the last update's rate is 0.5 of the optimizer's"
)
SOON = "51,600, the run has 93,000 updates: the learning rate reaches its floor, 0.1 of the optimizer's, at "


def found(schedule: Schedule, steps: int = 93_000, an_epoch: int | None = 15_500, callbacks=()) -> list[tuple]:
    checks = Checks()
    trainer, module = SimpleNamespace(callbacks=callbacks), SimpleNamespace(schedule=schedule)
    check_schedule(checks, trainer, module, steps, an_epoch)
    return [(check.key.removeprefix("model.schedule."), check.status, check.message) for check in checks.found]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule(500, final=0.1), ("ok", FLOOR)),
        (Schedule(500, 93_000, 0.1), ("ok", FLOOR)),
        (Schedule(500, 51_600, 0.1), ("warning", f"{SOON}epoch 3.3 of 6 and stays there for the rest")),
        (
            Schedule(decay_steps=186_000),
            ("warning", LATE),
        ),
    ],
    ids=["with the run", "as given", "too soon", "too late"],
)
def test_where_the_schedule_ends(schedule, expected):
    assert found(schedule) == [("decay_steps", *expected)]


def test_stages_have_no_epochs_in_common():
    ((_, status, told),) = found(Schedule(500, 51_600, 0.1), an_epoch=None)
    assert (status, told) == ("warning", f"{SOON}update 51,600 and stays there for the rest")


def test_nothing_is_said_of_a_constant_rate():
    assert found(Schedule(500)) == []
    assert [key for key, *_ in found(Schedule(500), steps=500)] == ["warmup_steps"]


def test_a_plateau_may_cut_the_decay():
    plateau = SFTPlateau("eval/h/loss", "min", min_epochs=5)
    ((_, status, told),) = found(Schedule(500, final=0.1), callbacks=[plateau])
    assert (status, told) == ("ok", f"{FLOOR}; SFTPlateau may end it after epoch 5, at 0.16")
