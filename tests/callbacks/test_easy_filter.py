import json
from types import SimpleNamespace

import pytest
import torch

from acereason.data.curriculum import Plan
from acereason.data.stage import Stage
from acereason.sampling.counts import Judged
from callbacks import EasyFilter, Overlong
from callbacks.easy_filter import kept_stages
from tests.support.fakes import FakeModule, curriculum, fake_trainer, group, problem, rollout

EASY = group(rollout("correct"), rollout("correct"), name="easy")
HALF = group(rollout("correct"), rollout("wrong"), name="half")
UNSURE = group(rollout("correct"), rollout("error"), name="unsure")
PROBLEMS = [problem(name=name) for name in ("easy", "half", "unsure")]


def trainer(folder):
    return fake_trainer(log_dir=folder, global_step=7)


def stages(name: str = "a", stage_epoch: int = 0, keep_filtered: bool = True, **settings):
    """In stage `a`, which has these settings, or in `b`, which follows it."""
    plan = Plan(name, epoch=4, stage_epoch=stage_epoch, stage_start=0, epoch_start=0)
    return curriculum(plan, a=Stage(["s"], 1, **settings), b=Stage(["s"], 1, keep_filtered=keep_filtered))


def left(callback, module, folder, starts: bool = True) -> list[str]:
    """What the callback leaves of an epoch's problems, where the stage begins or is resumed, or goes on."""
    if starts:
        callback.on_stage_start(trainer(folder), module, PROBLEMS)
    known = callback.state_dict()
    chosen = callback.select_problems(trainer(folder), module, PROBLEMS)
    assert callback.state_dict() == known
    return names(chosen)


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
    callback = EasyFilter()
    this, following = (FakeModule(group_size=2, curriculum=stages("a", n, easy_filter=True)) for n in (1, 2))
    callback.on_rollouts(trainer(tmp_path), this, [EASY, HALF, UNSURE])
    assert left(callback, this, tmp_path) == ["easy", "half", "unsure"]
    assert left(callback, following, tmp_path, starts=False) == ["half", "unsure"]
    callback.on_train_epoch_start(trainer(tmp_path), following)
    (row,) = [json.loads(line) for line in (tmp_path / "filtered.jsonl").read_text().splitlines()]
    assert row == {"stage": "a", "epoch": 1, "problem": "easy", "why": "all 2 rollouts of step 7 correct"}


def test_a_problem_whose_right_response_was_penalized_is_not_solved():
    cut = group(rollout("correct"), rollout("correct", truncated=True))
    assert cut.solved
    Overlong(reward=0.0).apply("penalize", cut.rollouts[1], budget=3)
    assert not cut.solved


def test_a_stage_that_does_not_filter_records_nothing(tmp_path):
    callback = EasyFilter()
    callback.on_rollouts(trainer(tmp_path), FakeModule(group_size=2, curriculum=stages()), [EASY])
    assert callback.filtered == []


@pytest.mark.parametrize(("keeps", "expected"), [(False, ["easy", "half", "unsure"]), (True, ["half", "unsure"])])
def test_another_stage_sees_them_again_or_keeps_what_was_filtered(tmp_path, keeps, expected):
    callback, module = EasyFilter(), FakeModule(group_size=2, curriculum=stages(easy_filter=True))
    callback.on_rollouts(trainer(tmp_path), module, [EASY])
    module.curriculum = stages("b", 3, keep_filtered=keeps, easy_filter=True)
    assert left(callback, module, tmp_path) == expected
    assert kept_stages(module.curriculum.stages, "a") == set()


def test_what_is_kept_goes_back_as_far_as_stages_say_so():
    four = {name: Stage(["s"], 1, keep_filtered=name in "bd") for name in "abcd"}
    assert [kept_stages(four, name) for name in "abcd"] == [set(), {"a"}, set(), {"c"}]
    four["c"].keep_filtered = True
    assert kept_stages(four, "d") == {"a", "b", "c"}


def solver(**settings) -> Policy:
    return Policy(group_size=2, sampling=None, seed=0, curriculum=stages(**settings))


def test_screening_leaves_out_what_the_first_policy_solves_often_enough(tmp_path):
    for limit, expected in [(1.0, ["half", "unsure"]), (0.5, [])]:
        callback, module = EasyFilter(), solver(screen=limit)
        for epoch in (0, 1):  # once a stage
            module.curriculum = stages(stage_epoch=epoch, screen=limit)
            assert left(callback, module, tmp_path) == expected
        assert module.rolled_out == 1
    callback.on_train_start(trainer(tmp_path), module)
    assert "1 of 2 rollouts correct by the policy that starts the stage" in (tmp_path / "filtered.jsonl").read_text()


def test_what_is_known_survives_a_checkpoint(tmp_path):
    first, second, module = EasyFilter(), EasyFilter(), solver(screen=1.0)
    left(first, module, tmp_path)
    torch.save(first.state_dict(), tmp_path / "state")
    second.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    assert left(second, module, tmp_path) == ["half", "unsure"]
    assert module.rolled_out == 1


def test_what_is_left_is_logged():
    plan = Plan("a", 0, 0, 0, 0)
    module = FakeModule(data=SimpleNamespace(problems=[1, 2], problems_of=lambda stage: [1, 2, 3], plan=plan))
    EasyFilter().on_train_batch_end(fake_trainer(), module, {}, None, 0)
    assert module.logged == {"stage/remaining": 2.0, "stage/filtered": 1.0}


def test_a_resumed_run_filters_by_the_settings_of_now(tmp_path):
    settings = {"screen": 1.0, "easy_filter": True}
    first, module = EasyFilter(), solver(**settings)
    left(first, module, tmp_path)
    first.on_rollouts(trainer(tmp_path), module, [group(rollout("correct"), name="unsure")])
    for now, expected in [
        (settings, ["half"]),
        ({"screen": 0.5, "easy_filter": True}, []),
        ({"screen": 0.5}, []),
        ({"screen": 1.0}, ["half", "unsure"]),
        ({"easy_filter": True}, ["easy", "half"]),
        ({}, ["easy", "half", "unsure"]),
    ]:
        resumed, module.curriculum = EasyFilter(), stages(stage_epoch=1, **now)
        resumed.load_state_dict(first.state_dict())
        assert left(resumed, module, tmp_path) == expected
    assert module.rolled_out == 1


def test_an_older_checkpoint_that_names_screened_stages_alone(tmp_path):
    older, module = EasyFilter(), solver(screen=1.0)
    why = "2 of 2 rollouts correct by the policy that starts the stage"
    row = {"stage": "a", "epoch": -1, "problem": "easy", "why": why}
    older.load_state_dict({"filtered": [row], "screened": ["a"]})
    assert left(older, module, tmp_path) == ["half", "unsure"]
    module.curriculum = stages()
    assert left(older, module, tmp_path) == ["easy", "half", "unsure"]
    assert module.rolled_out == 0
