"""The objective as pure functions: group advantages (Eq. 2), and the weights and denominators of the token-level policy
loss (Eq. 1), whose sum is taken in `acereason.models.head.PolicyLoss`.

Strictly on-policy, one update a batch: the importance ratio is 1, so there is no old-log-prob pass, no clip and no KL
term (section 3.2.1). What the paper leaves open is settled here and stated at each function.
"""

from typing import Literal

import torch
from torch import Tensor

from acereason.common.types import Group

Normalize = Literal["group", "batch"]


def group_advantages(rewards: Tensor, in_baseline: Tensor, ddof: int = 1, eps: float = 1e-6) -> Tensor:
    """Eq. 2: (reward - mean) / (std + eps), with mean and std over the group's rollouts that count as its baseline.

    The paper gives neither ddof nor eps; these defaults are those of veRL, which it used. Equal rewards give exactly 0.

    Args:
        rewards: [G] floats.
        in_baseline: [G] bool, which rewards enter mean and std.
        ddof: 1 divides the variance by n - 1, 0 by n.
        eps: added to the standard deviation.

    Returns:
        [G] advantages; all 0 where the baseline has no spread, or fewer than two rewards.
    """
    baseline = rewards[in_baseline]
    if len(baseline) < 2 or bool((baseline == baseline[0]).all()):
        return torch.zeros_like(rewards)
    return (rewards - baseline.mean()) / (baseline.std(correction=ddof) + eps)


def assign_advantages(groups: list[Group], ddof: int = 1) -> None:
    """Write every rollout's advantage. Where the verifier failed there is no reward: it leaves loss and baseline."""
    for group in groups:
        for rollout in group.rollouts:
            if rollout.reward is None:
                rollout.in_loss = rollout.in_baseline = False
        rewards = torch.tensor([rollout.reward or 0.0 for rollout in group.rollouts], dtype=torch.float64)
        in_baseline = torch.tensor([rollout.in_baseline for rollout in group.rollouts])
        advantages = group_advantages(rewards, in_baseline, ddof).tolist()
        for rollout, advantage in zip(group.rollouts, advantages, strict=True):
            rollout.advantage = advantage


def loss_tokens(group: Group) -> int:
    """Return the sum of |o_i| over the responses of a group that enter the loss."""
    return sum(len(rollout.response.token_ids) for rollout in group.rollouts if rollout.in_loss)


def token_weight(advantage: float, group_tokens: int, normalize: Normalize) -> float:
    """What a response token's log-prob is multiplied by in the objective, before the step's denominator: its advantage,
    by Eq. 1 (`group`) over sum |o_i| of its group."""
    return advantage / group_tokens if normalize == "group" else advantage


def denominators(groups: list[Group]) -> dict[Normalize, int]:
    """What the objective is divided by: `group` is Eq. 1 as written, the mean over the prompts that have tokens in the
    loss; `batch` divides by all loss tokens of the step (veRL's token-mean).

    Both are to be summed over all ranks and micro batches, so that neither changes the gradient.
    """
    tokens = [loss_tokens(group) for group in groups]
    return {"group": sum(count > 0 for count in tokens), "batch": sum(tokens)}


def importance_weights(logprobs: Tensor, sampler_logprobs: Tensor, cap: float | None) -> Tensor:
    """Token-level truncated importance weights: min(pi_trainer / pi_sampler, cap), beyond the paper.

    They take out what engine and trainer differ in when both hold the same weights: other kernels, other rounding (Yao
    et al. 2025, "Your Efficient RL Framework Secretly Brings You Off-Policy RL Training"). In the gradient they are
    constants.

    Args:
        logprobs: [N] the trainer's, at the sampling temperature.
        sampler_logprobs: [N] the engine's; NaN where it gave none, whose weight is 1.
        cap: above 0; the paper above takes 2. None makes all weights 1.
    """
    if cap is None:
        return torch.ones_like(logprobs)
    return (logprobs.detach() - sampler_logprobs).nan_to_num(0.0).exp().clamp(max=cap)


def entropy_of(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Temperature-adjusted entropy (section 4.5.2): of softmax(logits / T) over the full vocabulary, in nats.

    The plain definition, for tests and small inputs; training gets the same from `acereason.models.head`.
    """
    logprobs = torch.log_softmax(logits.float() / temperature, dim=-1)
    return -(logprobs.exp() * logprobs).sum(-1)
