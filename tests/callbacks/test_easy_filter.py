import json
from types import SimpleNamespace

import torch
from fakes import FakeModule, fake_trainer, group, problem, rollout

from acereason.data.curriculum import Plan, Stage
from callbacks import EasyFilter

EASY = group(rollout("correct"), rollout("correct"), name="easy")
HALF = group(rollout("correct"), rollout("wrong"), name="half")
UNSURE = group(rollout("correct"), rollout("error"), name="unsure")
PROBLEMS = [problem(name=name) for name in ("easy", "half", "unsure")]


def trainer(folder, stage_epoch: int = 0, **stage):
    plan = Plan("a", epoch=4, stage_epoch=stage_epoch, stage_start=0, epoch_start=0)
    data = SimpleNamespace(stage=Stage(["s"], 1, **stage), plan=plan)
    return fake_trainer(datamodule=data, log_dir=folder, global_step=7)


class Policy(FakeModule):
    """Its rollouts of the problems are EASY, HALF and UNSURE."""

    rolled_out = 0

    def push_weights(self) -> None:
        pass

    def rollout(self, problems, sampling, num_rollouts, seed):
        self.rolled_out += 1
        return [each for each in (EASY, HALF, UNSURE) if each.problem.id in {p.id for p in problems}]


def names(problems) -> list[str]:
    return [each.id for each in problems]


def test_solved_problems_leave_from_the_next_epoch_on(tmp_path):
    callback, module = EasyFilter(), FakeModule(group_size=2)
    callback.on_rollouts(trainer(tmp_path, 1, easy_filter=True), module, [EASY, HALF, UNSURE])
    this, following = trainer(tmp_path, 1, easy_filter=True), trainer(tmp_path, 2, easy_filter=True)
    assert names(callback.select_problems(this, module, PROBLEMS)) == ["easy", "half", "unsure"]
    assert names(callback.select_problems(following, module, PROBLEMS)) == ["half", "unsure"]
    (row,) = [json.loads(line) for line in (tmp_path / "filtered.jsonl").read_text().splitlines()]
    assert row == {"stage": "a", "epoch": 1, "problem": "easy", "why": "all 2 rollouts of step 7 correct"}


def test_a_stage_that_does_not_filter_records_nothing(tmp_path):
    callback = EasyFilter()
    callback.on_rollouts(trainer(tmp_path), FakeModule(group_size=2), [EASY])
    assert callback.filtered == []


def test_another_stage_sees_them_again(tmp_path):
    callback, module = EasyFilter(), FakeModule(group_size=2)
    callback.on_rollouts(trainer(tmp_path, easy_filter=True), module, [EASY])
    other = trainer(tmp_path, 3, easy_filter=True)
    other.datamodule.plan.stage = "b"
    assert len(callback.select_problems(other, module, PROBLEMS)) == 3


def test_screening_leaves_out_what_the_first_policy_solves_often_enough(tmp_path):
    for limit, left in [(1.0, ["half", "unsure"]), (0.5, [])]:
        callback, module = EasyFilter(), Policy(group_size=2, sampling=None, seed=0)
        for epoch in (0, 1):  # once a stage
            assert names(callback.select_problems(trainer(tmp_path, epoch, screen=limit), module, PROBLEMS)) == left
        assert module.rolled_out == 1
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
