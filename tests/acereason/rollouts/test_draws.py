from math import log

import pytest
import torch

from acereason.common.types import Sampling
from acereason.rollouts import draws
from acereason.rollouts.draws import SeededSampler


def test_draws_follow_the_distribution():
    """20,000 draws from known probabilities: every frequency within four standard errors."""
    probs = torch.tensor([0.5, 0.3, 0.15, 0.05])
    sampler = SeededSampler(Sampling(temperature=1.0, max_response_length=1), list(range(20_000)))
    chosen, _ = sampler.draw(probs.log().expand(20_000, 4), torch.arange(20_000), 0)
    for token, p in enumerate(probs.tolist()):
        assert (chosen == token).float().mean().item() == pytest.approx(p, abs=4 * (p * (1 - p) / 20_000) ** 0.5)


def test_top_p_keeps_the_nucleus_and_renormalizes():
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().expand(1000, 4)
    sampler = SeededSampler(Sampling(top_p=0.75, max_response_length=1), list(range(1000)))
    chosen, logprobs = sampler.draw(logits, torch.arange(1000), 0)
    assert set(chosen.tolist()) == {0, 1}
    assert sorted(set(logprobs.tolist())) == pytest.approx([log(0.3 / 0.8), log(0.5 / 0.8)], abs=1e-6)


def plain_draw(logits: torch.Tensor, uniforms: torch.Tensor, sampling: Sampling) -> tuple[torch.Tensor, torch.Tensor]:
    """The inverse of the cumulative distribution over whole rows, the nucleus by sorting all of them."""
    logprobs = torch.log_softmax(logits.double() / sampling.temperature, dim=-1)
    if sampling.top_p < 1:
        ordered, order = logprobs.sort(dim=-1, descending=True, stable=True)
        outside = ordered.exp().cumsum(-1) - ordered.exp() >= sampling.top_p
        logprobs = torch.log_softmax(logprobs.masked_fill(outside.scatter(-1, order, outside), -torch.inf), dim=-1)
    cumulative = logprobs.exp().cumsum(-1)
    token = torch.searchsorted(cumulative, uniforms[:, None] * cumulative[:, -1:], right=True)
    return token[:, 0], logprobs.gather(-1, token)[:, 0].float()


@pytest.mark.parametrize("top_p", [1.0, 0.95, 0.2])
@pytest.mark.parametrize("spread", [0.0, 0.5, 3.0, 12.0])  # 0: all tokens alike, so that a nucleus is most of them
@pytest.mark.parametrize("vocabulary", [5, 1000, 20_000])
def test_draws_are_those_of_the_plain_definition(vocabulary, spread, top_p):
    logits = torch.randn(10, vocabulary, generator=torch.Generator().manual_seed(vocabulary)) * spread
    sampling = Sampling(temperature=0.7, top_p=top_p, max_response_length=1)
    sampler = SeededSampler(sampling, list(range(10)))
    tokens, logprobs = sampler.draw(logits, torch.arange(10), 0)
    expected, expected_logprobs = plain_draw(logits, sampler.uniforms[:, 0], sampling)
    if spread or top_p == 1:  # of equal tokens rounding decides whether a nucleus holds one more
        assert tokens.tolist() == expected.tolist()
    torch.testing.assert_close(logprobs, expected_logprobs, atol=3e-4 if spread == 0 else 1e-6, rtol=1e-6)


@pytest.mark.parametrize("vocabulary", [2000, 20_000])
def test_a_row_of_a_narrow_and_one_of_a_wide_nucleus_are_drawn_together(vocabulary):
    logits = torch.stack([torch.arange(vocabulary) * 1.0, torch.zeros(vocabulary)])
    chosen, logprobs = SeededSampler(Sampling(top_p=0.5, max_response_length=1), [0, 1]).draw(
        logits, torch.arange(2), 0
    )
    assert chosen[0] == vocabulary - 1
    assert chosen[1] < vocabulary // 2  # of equal tokens the first are in a nucleus
    assert logprobs.tolist() == pytest.approx([0.0, -log(vocabulary // 2)], abs=1e-6)


@pytest.mark.parametrize("top_p", [1.0, 0.9])
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_a_row_is_drawn_alone_as_among_others_to_the_last_bit(monkeypatch, temperature, top_p):
    logits = torch.randn(7, 50_257, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.1, 6, 7)[:, None]
    sampler = SeededSampler(Sampling(temperature, 1, top_p), list(range(7)))
    tokens, logprobs = sampler.draw(logits, torch.arange(7), 0)
    for rows in (torch.tensor([4]), torch.tensor([6, 0, 3])):
        alone, alone_logprobs = sampler.draw(logits[rows], rows, 0)
        assert torch.equal(alone, tokens[rows])
        assert torch.equal(alone_logprobs, logprobs[rows])
    monkeypatch.setattr(draws, "_FLOATS", 2 * 50_257)
    parts, parts_logprobs = sampler.draw(logits, torch.arange(7), 0)
    assert torch.equal(parts, tokens)
    assert torch.equal(parts_logprobs, logprobs)


def test_tokens_of_tiny_probability_are_drawn():
    """A token of probability 2^-40 at the end of a vocabulary that float32 sums would lose it in."""
    logits = torch.full((1, 20_000), -torch.inf)
    logits[0, 100:19_000] = 0.0
    logits[0, -1] = -40 * log(2) + log(18_900)
    sampler = SeededSampler(Sampling(max_response_length=1), [0])
    for uniform, token in ((1 - 2**-41, 19_999), (1 - 2**-39, 18_999), (0.0, 100)):
        sampler.uniforms = torch.tensor([[uniform]], dtype=torch.float64)
        chosen, logprobs = sampler.draw(logits, torch.tensor([0]), 0)
        assert chosen.item() == token
        assert logprobs.item() == pytest.approx(logits[0, token].item() - log(18_900), abs=1e-6)


@pytest.mark.parametrize("vocabulary", [260, 20_000, 20_480])
def test_greedy_takes_the_first_of_the_likeliest(vocabulary):
    logits = torch.randn(5, vocabulary, generator=torch.Generator().manual_seed(0))
    for row, places in enumerate(([0], [vocabulary - 1], [3, 200], [130, 140, 250], [17, vocabulary - 2])):
        logits[row, places] = 9.0
    chosen, logprobs = SeededSampler(Sampling(0.0, 1), list(range(5))).draw(logits, torch.arange(5), 0)
    assert chosen.tolist() == [0, vocabulary - 1, 3, 130, 17]
    assert logprobs.tolist() == [0.0] * 5


def test_logits_of_bfloat16_are_drawn_from_as_they_are():
    logits = (torch.randn(16, 20_000, generator=torch.Generator().manual_seed(0)) * 3).bfloat16()
    for sampling in (Sampling(0.7, 1), Sampling(0.7, 1, 0.9)):
        sampler = SeededSampler(sampling, list(range(16)))
        tokens, logprobs = sampler.draw(logits, torch.arange(16), 0)
        expected, expected_logprobs = plain_draw(logits.float(), sampler.uniforms[:, 0], sampling)
        assert tokens.tolist() == expected.tolist()
        torch.testing.assert_close(logprobs, expected_logprobs, atol=1e-6, rtol=1e-6)
