from types import SimpleNamespace

import pytest
from fakes import FakeModule, fake_trainer, group, rollout

from acereason.data.curriculum import Stage
from acereason.types import Sampling
from callbacks import Overlong
from callbacks.overlong import soft_penalty


def seen(callback: Overlong, stage_policy: str | None, *rollouts):
    data = SimpleNamespace(stage=Stage(["s"], 1, overlong=stage_policy))
    module = FakeModule(sampling=Sampling(max_response_length=25))
    groups = [group(*rollouts)]
    callback.on_rollouts(fake_trainer(datamodule=data), module, groups)
    return [(r.reward, r.in_loss, r.in_baseline) for r in groups[0].rollouts]


def cut(status: str):
    return rollout(status, length=25, truncated=True)


def test_mask_takes_truncated_ones_out_of_loss_and_baseline():
    assert seen(Overlong("mask"), None, rollout("wrong"), cut("wrong"), cut("correct")) == [
        (0.0, True, True),
        (0.0, False, False),
        (1.0, False, False),
    ]


def test_mask_can_leave_the_reward_in_the_baseline():
    assert seen(Overlong("mask", in_baseline=True), None, cut("wrong")) == [(0.0, False, True)]


def test_penalize_replaces_the_reward_and_keeps_the_rollout():
    assert seen(Overlong("penalize", reward=-1.0), None, rollout("correct"), cut("correct")) == [
        (1.0, True, True),
        (-1.0, True, True),
    ]


def test_a_stage_decides_over_the_default():
    assert seen(Overlong("mask"), "penalize", cut("wrong")) == [(0.0, True, True)]


@pytest.mark.parametrize(("length", "penalty"), [(10, 0.0), (20, 0.0), (22, -0.4), (25, -1.0), (30, -1.0)])
def test_soft_penalty(length, penalty):  # O1 with factor 1: budget 25, buffer 5
    assert soft_penalty(length, budget=25, buffer=5) == pytest.approx(penalty)


def test_soft_adds_to_the_verifiers_reward():
    rewards = [reward for reward, *_ in seen(Overlong("soft"), None, rollout("correct", 22), cut("wrong"))]
    assert rewards == pytest.approx([0.6, -1.0])


def test_soft_leaves_an_error_without_reward():
    assert seen(Overlong("soft"), None, rollout("error", 25)) == [(None, True, True)]


def test_mistakes_name_the_field():
    with pytest.raises(ValueError, match="buffer must be a share"):
        Overlong(buffer=0)
