from dataclasses import asdict

import pytest

from acereason.common.errors import UserError
from acereason.data.curriculum import Plan, Stage, first_plan, next_plan, restored

STAGES = {"a": Stage(["x"], steps=4), "b": Stage(["x"], steps=2)}


def test_stages_follow_each_other_by_their_steps():
    first = first_plan(STAGES)
    again = next_plan(STAGES, first, epoch=1, step=3)
    second = next_plan(STAGES, again, epoch=2, step=4)
    assert first == Plan("a", epoch=0, stage_epoch=0, stage_start=0, epoch_start=0)
    assert again == Plan("a", epoch=1, stage_epoch=1, stage_start=0, epoch_start=3)
    assert second == Plan("b", epoch=2, stage_epoch=0, stage_start=4, epoch_start=4)
    assert next_plan(STAGES, second, epoch=3, step=6) is None


def test_a_stage_may_count_epochs_or_both():
    epochs = {"a": Stage(["x"], epochs=2), "b": Stage(["x"], steps=100, epochs=1)}
    again = next_plan(epochs, first_plan(epochs), epoch=1, step=50)
    assert (again.stage, again.stage_epoch) == ("a", 1)
    second = next_plan(epochs, again, epoch=2, step=100)
    assert (second.stage, second.stage_start) == ("b", 100)
    assert next_plan(epochs, second, epoch=3, step=150) is None  # its epoch is over before its steps


def test_a_stop_rule_ends_a_stage():
    plan = first_plan(STAGES)
    plan.stopped = True
    assert next_plan(STAGES, plan, epoch=1, step=1) == Plan("b", 1, 0, stage_start=1, epoch_start=1)


def test_a_stage_starts_from_the_best_of_the_one_before_where_it_asks_for_it():
    for start_from, expected in [("best", "folder"), ("last", None)]:
        stages = {"a": Stage(["x"], epochs=2), "b": Stage(["x"], steps=1, start_from=start_from)}
        plan = first_plan(stages)
        plan.best = "folder"
        again = next_plan(stages, plan, epoch=1, step=5)
        assert (again.best, again.starts_from) == ("folder", None)
        following = next_plan(stages, again, epoch=2, step=9)
        assert (following.best, following.starts_from) == (None, expected)


def test_shares():
    assert Stage(["x", "y"], steps=1).shares == {"x": 1.0, "y": 1.0}
    assert Stage({"x": 0.25}, steps=1).shares == {"x": 0.25}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 0}, r"data\.stages\.a\.steps: must be at least 1, not 0"),
        ({"steps": None}, r"data\.stages\.a\.steps: give steps or epochs"),
        ({"epochs": 0}, r"epochs: must be at least 1"),
        ({"prompts_per_step": 0}, r"prompts_per_step: must be at least 1"),
        ({"max_response_length": 0}, r"max_response_length: must be at least 1"),
        ({"group_size": 1}, r"group_size: must be at least 2, not 1"),
        ({"temperature": 0.0}, r"temperature: must be above 0"),
        ({"temperature": [0.6, 0.0]}, r"temperature: must be above 0, not \[0\.6, 0\.0\]"),
        ({"temperature": []}, r"temperature: an empty list"),
        ({"group_size": [8, 1]}, r"group_size: must be at least 2, not \[8, 1\]"),
        ({"sources": []}, r"sources: name at least one"),
        ({"sources": {"x": 1.5}}, r"data\.stages\.a\.sources\.x: a share is above 0 and at most 1, not 1\.5"),
        ({"screen": 0.0}, r"screen: must be above 0"),
        ({"patience": 2}, r"patience: needs a benchmark in monitor"),
    ],
)
def test_mistakes_name_the_key(values, message):
    with pytest.raises(UserError, match=message):
        Stage(**{"sources": ["x"], "steps": 1} | values).check("data.stages.a")


def test_a_list_of_temperatures_and_the_controller_exclude_each_other():
    present = {"Curriculum", "TemperatureController"}
    Stage(["x"], steps=1, temperature=0.6).check_callbacks("data.stages.a", present)
    with pytest.raises(UserError, match=r"data\.stages\.a\.temperature: TemperatureController moves it already"):
        Stage(["x"], steps=1, temperature=[0.6, 1.0]).check_callbacks("data.stages.a", present)


@pytest.mark.parametrize(
    ("without", "patience", "stopped"),
    [(2, 2, True), (2, 3, False), (2, 1, True), (2, None, False), (0, 1, False)],
)
def test_a_restored_stage_is_over_by_the_patience_of_now(without, patience, stopped):
    stages = {"a": Stage(["x"], steps=9, monitor="m", patience=patience)}
    for before in (True, False):
        state = asdict(Plan("a", 3, 1, 0, 4, stopped=before, without=without))
        assert restored(state, stages).stopped == stopped


def test_a_stop_that_nobody_counts_stays():
    for stopped in (True, False):
        plan = Plan("a", 3, 1, 0, 4, stopped=stopped)
        assert restored(asdict(plan), STAGES) == plan


def test_the_stage_of_a_checkpoint_must_be_there():
    with pytest.raises(UserError, match="data.stages: the checkpoint is in stage 'c', which is not among them"):
        restored(asdict(Plan("c", 0, 0, 0, 0)), STAGES)


def test_another_stage_counts_anew():
    plan = Plan("a", 0, 0, 0, 0, stopped=True, without=3)
    assert next_plan(STAGES, plan, epoch=1, step=1).without is None
