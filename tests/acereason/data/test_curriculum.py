from dataclasses import asdict

import pytest

from acereason.common.errors import UserError
from acereason.data.curriculum import Curriculum, Plan, first_plan, next_plan, restored
from acereason.data.stage import Stage

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


def test_a_stage_begins_once_and_again_where_a_run_resumes_in_it():
    made, resumed = Curriculum(STAGES), Curriculum(STAGES)
    begun = [made.advance(epoch, step) for epoch, step in [(0, 0), (0, 0), (1, 3), (2, 4), (3, 5), (4, 6)]]
    assert begun == [True, False, False, True, False, False]  # after the last stage its last plan stays
    assert (made.plan.stage, made.index, made.current) == ("b", 1, STAGES["b"])
    resumed.load_state_dict(made.state_dict())
    assert resumed.advance(4, 6)
    assert resumed.state_dict() == made.state_dict() == {"plan": asdict(made.plan)}


def test_before_its_first_epoch_a_run_is_in_no_stage():
    made = Curriculum(STAGES)
    assert made.state_dict() == {"plan": None}
    assert not made.finished(0)
    assert getattr(made, "plan", None) is None
    made.load_state_dict({"plan": None})
    assert made.advance(0, 0)


def test_a_stage_ends_by_steps_or_with_the_last_step_of_its_last_epoch():
    made = Curriculum({"a": Stage(["x"], steps=4), "b": Stage(["x"], epochs=2)})
    made.advance(0, 0)
    made.begin_epoch(steps=9)
    assert [made.ended(step) for step in (3, 4)] == [False, True]
    made.advance(1, 4)
    made.begin_epoch(steps=3)
    assert [made.ended(step) for step in (4, 7)] == [False, False]
    made.advance(2, 7)
    assert [made.ended(step) for step in (9, 10)] == [False, True]
    assert [made.finished(step) for step in (9, 10)] == [False, True]


def test_evaluations_without_a_better_policy_end_a_stage_by_its_patience():
    made = Curriculum({"a": Stage(["x"], steps=9, monitor="m", patience=2), "b": Stage(["x"], 1, start_from="best")})
    made.advance(0, 0)
    assert [made.observe(0, "first"), made.observe(1), made.observe(0, "second"), made.observe(1)] == [False] * 4
    assert made.observe(2)
    assert (made.plan.best, made.plan.without, made.ended(1)) == ("second", 2, True)
    made.advance(1, 5)
    assert (made.plan.stage, made.plan.starts_from, made.plan.without) == ("b", "second", None)
    endless = Curriculum({"a": Stage(["x"], steps=9, monitor="m")})
    endless.advance(0, 0)
    assert not endless.observe(99)
