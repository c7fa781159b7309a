from math import exp, log, nan

import pytest
import torch

from acereason.algorithm.clipping import OffPolicy, Ratios, clipped, known, log_ratios, response_means

HIGHER = (0.8, 1.28)
"""DAPO's clip-higher."""


@pytest.mark.parametrize(
    ("ratio", "weight", "bounds", "value", "slope"),
    [
        (1.0, 2.0, (0.8, 1.2), 2.0, 2.0),  # as strictly on-policy
        (1.1, 2.0, (0.8, 1.2), 2.2, 2.2),
        (1.25, 2.0, (0.8, 1.2), 2.4, 0.0),  # likelier than the clip allows, and good: no further
        (1.25, 2.0, HIGHER, 2.5, 2.5),  # which clip-higher still allows
        (1.3, 2.0, HIGHER, 2.56, 0.0),
        (0.5, 2.0, (0.8, 1.2), 1.0, 1.0),  # good and less likely than before: back to it
        (1.3, -2.0, (0.8, 1.2), -2.6, -2.6),  # bad and likelier than before: away from it, unbounded
        (0.75, -2.0, (0.8, 1.2), -1.6, 0.0),  # bad, and rarer than the clip allows: no further
        (0.75, -2.0, HIGHER, -1.6, 0.0),
        (0.9, -2.0, (0.8, 1.2), -1.8, -1.8),
        (3.0, 0.0, (0.8, 1.2), 0.0, 0.0),
    ],
)
def test_a_token_by_hand(ratio, weight, bounds, value, slope):
    values, slopes = clipped(torch.tensor([ratio]), torch.tensor([weight]), bounds)
    assert values.item() == pytest.approx(value)
    assert slopes.item() == pytest.approx(slope)


def test_response_means_by_hand():
    values = torch.tensor([1.0, 2.0, 6.0, -1.0, 5.0])
    assert response_means(values, [3, 0, 1, 1]).tolist() == [3, 3, 3, -1, 5]
    assert response_means(torch.zeros(0), [0]).tolist() == []


def test_a_response_shares_the_geometric_mean_of_its_ratios():
    """Ratios 1.5 and 0.6: their geometric mean, 0.9487, is within bounds where both of them are not."""
    logprobs = torch.tensor([log(0.6), log(0.3)])
    old, weights = torch.tensor([log(0.4), log(0.5)]), torch.tensor([1.0, 1.0])
    own, slopes = Ratios(old, (0.8, 1.2)).clipped(logprobs, weights, slice(None))
    assert own.tolist() == pytest.approx([1.2, 0.6])
    assert slopes.tolist() == pytest.approx([0, 0.6])
    shared = log_ratios(logprobs, old, "sequence", [2])
    together = Ratios(old, (0.8, 1.2), shared)
    values, slopes = together.clipped(logprobs, weights, slice(None))
    assert values.tolist() == slopes.tolist() == pytest.approx([0.9**0.5] * 2)
    bad = together.clipped(logprobs, -weights, slice(None))
    assert [part.tolist() for part in bad] == [pytest.approx([-(0.9**0.5)] * 2)] * 2
    gspo = Ratios(old, OffPolicy(1, ratio="sequence").bounds, shared)
    assert [part.tolist() for part in gspo.clipped(logprobs, -weights, slice(None))] == [
        pytest.approx([-(1 - 3e-4)] * 2),
        [0, 0],
    ]


def test_without_an_old_log_prob_the_ratio_is_1():
    logprobs, old = torch.tensor([-1.0, -2.0]), torch.tensor([nan, -3.0])
    assert known(old, logprobs).tolist() == [-1, -3]
    values, slopes = Ratios(old, (0.5, 9.0)).clipped(logprobs, torch.tensor([3.0, 1.0]), slice(None))
    assert values.tolist() == slopes.tolist() == pytest.approx([3, exp(1)])


def test_a_part_of_the_tokens_has_its_own_ratios():
    old, weights = torch.tensor([-1.0, -2.0, -3.0]), torch.ones(2)
    values, _ = Ratios(old, (0, 99.0)).clipped(torch.tensor([-1.0, -1.0]), weights, slice(1, 3))
    assert values.tolist() == pytest.approx([exp(1), exp(2)])
    values, _ = Ratios(old, (0, 99.0), torch.tensor([0.0, 0.5, 1.5])).clipped(torch.zeros(2), weights, slice(1, 3))
    assert values.tolist() == pytest.approx([exp(0.5), exp(1.5)])


def plain_loss(logprobs: torch.Tensor, old: torch.Tensor, weights: torch.Tensor, settings: OffPolicy) -> torch.Tensor:
    """The papers' formulas, of responses of 3, 1 and 4 tokens, with autograd through the ratio."""
    low, high = settings.bounds
    total = torch.zeros((), dtype=logprobs.dtype)
    for now, before, each in zip(*(tensor.split([3, 1, 4]) for tensor in (logprobs, old, weights)), strict=True):
        ratio = (now - before).exp()
        if settings.ratio == "sequence":
            ratio = ((now - before).sum() / len(now)).exp().expand(len(now))
        total = total - torch.minimum(ratio * each, ratio.clip(low, high) * each).sum()
    return total


@pytest.mark.parametrize("ratio", ["token", "sequence"])
@pytest.mark.parametrize(("low", "high"), [(0.2, 0.2), (0.2, 0.28), (0.05, 0.02)])
def test_values_and_gradients_are_those_of_autograd(ratio, low, high):
    generator = torch.Generator().manual_seed(3)
    logprobs = -torch.rand(8, dtype=torch.float64, generator=generator)
    old = logprobs + 0.4 * torch.randn(8, dtype=torch.float64, generator=generator)
    advantages = torch.tensor([1.5, -0.5, -1.0], dtype=torch.float64)
    weights = advantages.repeat_interleave(torch.tensor([3, 1, 4]))
    settings = OffPolicy(1, low, high, ratio)
    leaf = logprobs.clone().requires_grad_()
    loss = plain_loss(leaf, old, weights, settings)
    loss.backward()
    shared = log_ratios(logprobs, old, ratio, [3, 1, 4]) if ratio == "sequence" else None
    values, slopes = Ratios(old, settings.bounds, shared).clipped(logprobs, weights, slice(None))
    assert -values.sum().item() == pytest.approx(loss.item(), rel=1e-12)
    torch.testing.assert_close(-slopes, leaf.grad, rtol=1e-12, atol=1e-12)
    assert (slopes == 0).any()
    assert (slopes != 0).any()


def test_what_the_ratio_is_clipped_to():
    assert OffPolicy(4).bounds == (0.8, 1.2)
    assert OffPolicy(4, clip_high=0.28).bounds == (0.8, 1.28)
    assert OffPolicy(4, ratio="sequence").bounds == (1 - 3e-4, 1 + 4e-4)
    assert OffPolicy(4, clip_low=0.1, ratio="sequence").bounds == (0.9, 1 + 4e-4)


def test_what_it_cannot_be_had_with_is_refused():
    OffPolicy(2).check(num_waves=1, importance_cap=2.0)
    OffPolicy(2, old_logprobs="engine").check(num_waves=1, importance_cap=None)
    with pytest.raises(ValueError, match="num_waves: must be 1 under off_policy"):
        OffPolicy(2).check(num_waves=2, importance_cap=None)
    with pytest.raises(ValueError, match="importance_cap: must be null where off_policy.old_logprobs is engine"):
        OffPolicy(2, old_logprobs="engine").check(num_waves=1, importance_cap=2.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"updates": 0}, "updates must be at least 1, not 0"),
        ({"updates": 1, "clip_low": 0.0}, "clip_low must be above 0, not 0"),
        ({"updates": 1, "clip_high": -1.0}, "clip_high must be above 0, not -1"),
        ({"updates": 1, "clip_low": 1.5}, "clip_low must be below 1, not 1.5"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        OffPolicy(**settings)
