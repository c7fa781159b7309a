from math import exp, log, nan

import pytest
import torch

from acereason.algorithm.objective import (
    assign_advantages,
    entropy_of,
    group_advantages,
    importance_weights,
    loss_tokens,
    token_weight,
)
from acereason.models.head import PolicyLoss
from tests.support.fakes import group, rollout

ALL = torch.ones(4, dtype=torch.bool)


@pytest.mark.parametrize(("ddof", "expected"), [(1, [1.5, -0.5, -0.5, -0.5]), (0, [1.7321, -0.5774, -0.5774, -0.5774])])
def test_one_of_four_correct(ddof, expected):  # A1
    advantages = group_advantages(torch.tensor([1.0, 0, 0, 0]), ALL, ddof)
    assert advantages.tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("reward", [0.0, 1.0, -0.3])
def test_equal_rewards_give_exactly_zero(reward):  # A2
    assert group_advantages(torch.full((4,), reward), ALL).tolist() == [0, 0, 0, 0]


def test_a_baseline_of_one_gives_zero():
    assert group_advantages(torch.tensor([1.0, 0, 0, 0]), torch.tensor([True, False, False, False])).tolist() == [0] * 4


def test_masked_rollouts_in_or_out_of_the_baseline():  # O2: rewards [1, 1, 0, (0)], the last one truncated
    rewards = torch.tensor([1.0, 1, 0, 0])
    included = group_advantages(rewards, ALL, eps=0)
    excluded = group_advantages(rewards, torch.tensor([True, True, True, False]), eps=0)
    assert included[0].item() == pytest.approx((1 - 0.5) / torch.tensor([1.0, 1, 0, 0]).std().item())
    assert excluded[0].item() == pytest.approx((1 - 2 / 3) / torch.tensor([1.0, 1, 0]).std().item())


def test_a_masked_rollout_has_no_tokens_and_the_group_keeps_its_shape():  # O2
    rollouts = [rollout("correct", 2), rollout("correct", 3), rollout("wrong", 4), rollout("wrong", 8, truncated=True)]
    rollouts[3].in_loss = rollouts[3].in_baseline = False
    masked = group(*rollouts)
    assign_advantages([masked])
    assert loss_tokens(masked) == 2 + 3 + 4
    assert len(masked.rollouts) == 4
    assert [r.advantage > 0 for r in masked.rollouts[:3]] == [True, True, False]


def test_a_failed_verifier_leaves_loss_and_baseline():
    failed = group(rollout("correct"), rollout("wrong"), rollout("error"))
    alone = group(rollout("correct"), rollout("wrong"))
    assign_advantages([failed, alone])
    assert [r.advantage for r in failed.rollouts[:2]] == [r.advantage for r in alone.rollouts]
    assert not failed.rollouts[2].in_loss


def policy_loss(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The trainer's loss of tokens with these logits."""
    unknown = torch.full((len(targets),), nan)
    return PolicyLoss.apply(logits, torch.eye(logits.shape[1]), targets, weights, unknown, None, 1.0, 1)[0]


def loss_of(losses: torch.Tensor, weight: float) -> float:
    """The trainer's loss of tokens with these losses each, in a vocabulary of two words."""
    logits = torch.stack([-losses, torch.log1p(-(-losses).exp()).clamp(min=-100)], -1)
    return policy_loss(logits, torch.zeros(len(losses), dtype=torch.long), torch.full_like(losses, weight)).item()


def _loss(groups: list[list[tuple[int, float]]], normalize: str) -> float:
    """Loss of groups of responses (length, per-token loss), all with advantage 1, by the weights of the step."""
    counts = [sum(length for length, _ in responses) for responses in groups]
    total = 0.0
    for responses, tokens in zip(groups, counts, strict=True):
        weight = token_weight(1.0, tokens, normalize) / {"group": len(groups), "batch": sum(counts)}[normalize]
        for length, loss in responses:
            total += loss_of(torch.full((length,), loss), weight)
    return total


def test_token_mean_does_not_depend_on_the_split():  # L1: tokens with losses 1..7 in any micro batches
    losses = [1.0, 2, 3, 4, 5, 6, 7]
    weight = token_weight(1.0, 7, "batch") / 7
    for split in ([2, 5], [5, 2], [1, 6], [7]):
        parts = torch.tensor(losses).split(split)
        assert sum(loss_of(part, weight) for part in parts) == pytest.approx(4.0)


def test_long_and_short_responses():  # L2
    assert _loss([[(100, 2.0), (900, 0.5)]], "batch") == pytest.approx(0.65)


def test_batch_and_group_denominators():  # L3: two groups, 2 tokens of loss 1 and 8 tokens of loss 0
    assert _loss([[(2, 1.0)], [(8, 0.0)]], "batch") == pytest.approx(0.2)
    assert _loss([[(2, 1.0)], [(8, 0.0)]], "group") == pytest.approx(0.5)


def test_on_policy_gradient_is_that_of_the_clipped_ratio():  # L4
    torch.manual_seed(0)
    logits = torch.randn(6, 5, requires_grad=True)
    targets, advantages = torch.tensor([0, 1, 2, 3, 4, 0]), torch.tensor([1.0, -2, 0.5, 3, -1, 0])
    logprobs = torch.log_softmax(logits, -1).gather(-1, targets[:, None]).squeeze(-1)

    (ours,) = torch.autograd.grad(policy_loss(logits, targets, advantages / 6), logits)
    ratio = (logprobs - logprobs.detach()).exp()
    clipped = torch.minimum(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages)
    (ppo,) = torch.autograd.grad(-clipped.mean(), logits)

    assert ratio.tolist() == [1.0] * 6
    torch.testing.assert_close(ours, ppo)


@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.0])
def test_entropy_of_uniform_logits(temperature):  # E1
    assert entropy_of(torch.zeros(1, 10), temperature).item() == pytest.approx(log(10))


def test_entropy_rises_with_temperature():  # E1
    logits = torch.tensor([[2.0, 1.0, 0.0]])
    cold, hot = entropy_of(logits, 0.6).item(), entropy_of(logits, 1.0).item()
    p = torch.tensor([2.0, 1.0, 0.0]).softmax(-1)
    assert cold < hot == pytest.approx(-(p * p.log()).sum().item())


def test_importance_weights_by_hand():
    trainer = torch.tensor([-1.0, -1.0, -3.0, -1.0], requires_grad=True)
    sampler = torch.tensor([-1.0, -2.0, -2.0, float("nan")])
    weights = importance_weights(trainer, sampler, cap=2.0)
    assert weights.tolist() == pytest.approx([1.0, 2.0, exp(-1), 1.0])  # equal, e above the cap, below 1, none given
    assert not weights.requires_grad
    assert importance_weights(trainer, sampler, cap=None).tolist() == [1.0] * 4
