import pytest

from acereason.algorithm.objective import assign_advantages, loss_tokens
from acereason.common.types import Sampling
from acereason.data.stage import Stage
from callbacks import Overlong
from callbacks.overlong import soft_penalty
from tests.support.fakes import FakeModule, curriculum, fake_trainer, group, rollout


def seen(callback: Overlong, stage_policy: str | None, *rollouts):
    stages = curriculum(a=Stage(["s"], 1, overlong=stage_policy))
    module = FakeModule(sampling=Sampling(max_response_length=25), curriculum=stages)
    groups = [group(*rollouts)]
    callback.on_rollouts(fake_trainer(), module, groups)
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


@pytest.mark.parametrize(("length", "penalty"), [(10, 0.0), (20, 0.0), (22, -0.2), (25, -0.5), (30, -1.0)])
def test_soft_penalty(length, penalty):
    assert soft_penalty(length, budget=25, buffer=5, factor=0.5) == pytest.approx(penalty)


@pytest.mark.parametrize(("in_baseline", "mean"), [(True, 0.5), (False, 2 / 3)])
def test_masked_in_or_out_of_the_baseline(in_baseline, mean):
    """Rewards 1, 1, 0 and a truncated 0: the group's mean is 1/2 with it and 2/3 without."""
    stages = curriculum(a=Stage(["s"], 1, overlong="mask"))
    four = group(rollout("correct"), rollout("correct"), rollout("wrong"), cut("wrong"))
    module = FakeModule(sampling=Sampling(max_response_length=25), curriculum=stages)
    Overlong(in_baseline=in_baseline).on_rollouts(fake_trainer(), module, [four])
    assign_advantages([four])
    advantages = [r.advantage for r in four.rollouts]
    assert advantages[0] / advantages[2] == pytest.approx((1 - mean) / (0 - mean))
    assert loss_tokens(four) == 9  # three responses of three tokens


def test_soft_adds_to_the_verifiers_reward():
    rewards = [reward for reward, *_ in seen(Overlong("soft"), None, rollout("correct", 22), cut("wrong"))]
    assert rewards == pytest.approx([0.6, -1.0])


def test_soft_leaves_an_error_without_reward():
    assert seen(Overlong("soft"), None, rollout("error", 25)) == [(None, True, True)]


def test_mistakes_name_the_field():
    with pytest.raises(ValueError, match="buffer must be a share"):
        Overlong(buffer=0)
