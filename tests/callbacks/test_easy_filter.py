import json
from types import SimpleNamespace

import torch

from acereason.data.curriculum import Plan, Stage
from acereason.sampling.counts import Judged
from callbacks import EasyFilter, Overlong
from callbacks.easy_filter import kept_stages
from tests.support.fakes import FakeModule, fake_trainer, group, problem, rollout

EASY = group(rollout("correct"), rollout("correct"), name="easy")
HALF = group(rollout("correct"), rollout("wrong"), name="half")
UNSURE = group(rollout("correct"), rollout("error"), name="unsure")
PROBLEMS = [problem(name=name) for name in ("easy", "half", "unsure")]


def trainer(folder, stage_epoch: int = 0, **stage):
    plan = Plan("a", epoch=4, stage_epoch=stage_epoch, stage_start=0, epoch_start=0)
    entry = Stage(["s"], 1, **stage)
    data = SimpleNamespace(stage=entry, stages={"a": entry, "b": Stage(["s"], 1, keep_filtered=True)}, plan=plan)
    return fake_trainer(datamodule=data, log_dir=folder, global_step=7)


class Policy(FakeModule):
    """Its rollouts of the problems are EASY, HALF and UNSURE."""

    rolled_out = 0

    def push_weights(self) -> None:
        pass

    def counted(self, name, problems, sampling, num_rollouts, seed):
        self.rolled_out += 1
        return [Judged.of(each) for each in (EASY, HALF, UNSURE) if each.problem.id in {p.id for p in problems}]


def names(problems) -> list[str]:
    return [each.id for each in problems]


def test_solved_problems_leave_from_the_next_epoch_on(tmp_path):
    callback, module = EasyFilter(), FakeModule(group_size=2)
    callback.on_rollouts(trainer(tmp_path, 1, easy_filter=True), module, [EASY, HALF, UNSURE])
    this, following = trainer(tmp_path, 1, easy_filter=True), trainer(tmp_path, 2, easy_filter=True)
    assert names(callback.select_problems(this, module, PROBLEMS)) == ["easy", "half", "unsure"]
    assert names(callback.select_problems(following, module, PROBLEMS)) == ["half", "unsure"]
    callback.on_train_epoch_start(following, module)
    (row,) = [json.loads(line) for line in (tmp_path / "filtered.jsonl").read_text().splitlines()]
    assert row == {"stage": "a", "epoch": 1, "problem": "easy", "why": "all 2 rollouts of step 7 correct"}


def test_a_problem_whose_right_response_was_penalized_is_not_solved():
    cut = group(rollout("correct"), rollout("correct", truncated=True))
    assert cut.solved
    Overlong(reward=0.0).apply("penalize", cut.rollouts[1], budget=3)
    assert not cut.solved


def test_a_stage_that_does_not_filter_records_nothing(tmp_path):
    callback = EasyFilter()
    callback.on_rollouts(trainer(tmp_path), FakeModule(group_size=2), [EASY])
    assert callback.filtered == []


def test_another_stage_sees_them_again(tmp_path):
    callback, module = EasyFilter(), FakeModule(group_size=2)
    callback.on_rollouts(trainer(tmp_path, easy_filter=True), module, [EASY])
    other = trainer(tmp_path, 3, easy_filter=True)
    other.datamodule.plan.stage = "b"
    other.datamodule.stages["b"].keep_filtered = False
    assert len(callback.select_problems(other, module, PROBLEMS)) == 3


def test_a_stage_may_keep_what_the_one_before_has_filtered(tmp_path):
    callback, module = EasyFilter(), FakeModule(group_size=2)
    callback.on_rollouts(trainer(tmp_path, easy_filter=True), module, [EASY])
    other = trainer(tmp_path, easy_filter=True)
    other.datamodule.plan.stage = "b"
    assert names(callback.select_problems(other, module, PROBLEMS)) == ["half", "unsure"]
    assert kept_stages(other.datamodule.stages, "a") == set()


def test_what_is_kept_goes_back_as_far_as_stages_say_so():
    stages = {name: Stage(["s"], 1, keep_filtered=name in "bd") for name in "abcd"}
    assert [kept_stages(stages, name) for name in "abcd"] == [set(), {"a"}, set(), {"c"}]
    stages["c"].keep_filtered = True
    assert kept_stages(stages, "d") == {"a", "b", "c"}


def test_screening_leaves_out_what_the_first_policy_solves_often_enough(tmp_path):
    for limit, left in [(1.0, ["half", "unsure"]), (0.5, [])]:
        callback, module = EasyFilter(), Policy(group_size=2, sampling=None, seed=0)
        for epoch in (0, 1):  # once a stage
            assert names(callback.select_problems(trainer(tmp_path, epoch, screen=limit), module, PROBLEMS)) == left
        assert module.rolled_out == 1
    callback.on_train_start(trainer(tmp_path), module)
    assert "1 of 2 rollouts correct by the policy that starts the stage" in (tmp_path / "filtered.jsonl").read_text()


def test_what_is_known_survives_a_checkpoint(tmp_path):
    first, second, module = EasyFilter(), EasyFilter(), Policy(group_size=2, sampling=None, seed=0)
    first.select_problems(trainer(tmp_path, screen=1.0), module, PROBLEMS)
    torch.save(first.state_dict(), tmp_path / "state")
    second.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    assert names(second.select_problems(trainer(tmp_path, screen=1.0), module, PROBLEMS)) == ["half", "unsure"]
    assert module.rolled_out == 1


def test_what_is_left_is_logged():
    plan = Plan("a", 0, 0, 0, 0)
    data = SimpleNamespace(problems=[1, 2], problems_of=lambda stage: [1, 2, 3], plan=plan)
    module = FakeModule()
    EasyFilter().on_train_batch_end(fake_trainer(datamodule=data), module, {}, None, 0)
    assert module.logged == {"stage/remaining": 2.0, "stage/filtered": 1.0}


def test_a_resumed_run_filters_by_the_settings_of_now(tmp_path):
    first, module = EasyFilter(), Policy(group_size=2, sampling=None, seed=0)
    settings = {"screen": 1.0, "easy_filter": True}
    first.select_problems(trainer(tmp_path, **settings), module, PROBLEMS)
    first.on_rollouts(trainer(tmp_path, **settings), module, [group(rollout("correct"), name="unsure")])
    for now, left in [
        (settings, ["half"]),
        ({"screen": 0.5, "easy_filter": True}, []),
        ({"screen": 0.5}, []),
        ({"screen": 1.0}, ["half", "unsure"]),
        ({"easy_filter": True}, ["easy", "half"]),
        ({}, ["easy", "half", "unsure"]),
    ]:
        resumed = EasyFilter()
        resumed.load_state_dict(first.state_dict())
        assert names(resumed.select_problems(trainer(tmp_path, 1, **now), module, PROBLEMS)) == left
    assert module.rolled_out == 1


def test_an_older_checkpoint_that_names_screened_stages_alone(tmp_path):
    older, module = EasyFilter(), Policy(group_size=2, sampling=None, seed=0)
    why = "2 of 2 rollouts correct by the policy that starts the stage"
    row = {"stage": "a", "epoch": -1, "problem": "easy", "why": why}
    older.load_state_dict({"filtered": [row], "screened": ["a"]})
    assert names(older.select_problems(trainer(tmp_path, screen=1.0), module, PROBLEMS)) == ["half", "unsure"]
    assert names(older.select_problems(trainer(tmp_path), module, PROBLEMS)) == ["easy", "half", "unsure"]
    assert module.rolled_out == 0
