from math import exp, nan

import pytest
import torch

from acereason.algorithm.batching import collate
from acereason.common.types import Sequence
from acereason.modules.measures import Measures


def test_by_hand():
    """Two micro batches; a response of 20 tokens has two in its first tenth and two in its last."""
    long = Sequence([0] * 21, prompt_length=1, weight=1.0, sampler_logprobs=[-1.0] * 20)
    short = Sequence([0] * 3, prompt_length=1, weight=1.0, sampler_logprobs=[-2.0, nan])
    measures = Measures(torch.device("cpu"))
    measures.add(collate([long]), torch.full((20,), -1.5), torch.arange(20.0), loss=torch.tensor(3.0))
    measures.add(collate([short]), torch.tensor([-1.0, -9.0]), torch.tensor([40.0, 50.0]), loss=torch.tensor(0.5))
    metrics = measures.metrics()
    assert metrics == pytest.approx(
        {
            "policy/loss": 3.5,
            "policy/entropy": (190 + 90) / 22,
            "policy/entropy_first": (0 + 1 + 40) / 3,
            "policy/entropy_last": (18 + 19 + 50) / 3,
            "sync/logprob_gap": (20 * 0.5 + 1.0) / 21,  # the token without a sampler's log-prob is left out
            "sync/logprob_gap_max": 1.0,
            "sync/kl": (20 * (exp(-0.5) - 1 + 0.5) + (exp(1) - 1 - 1)) / 21,
        }
    )
    assert measures.metrics() == metrics


def test_a_response_may_stand_for_others():
    """One of three tokens and one of two that stands for four responses: 3 + 4 x 2 tokens."""
    alone = Sequence([0] * 4, prompt_length=1, weight=1.0, sampler_logprobs=[-1.0] * 3)
    sampled = Sequence([0] * 3, prompt_length=1, weight=0.0, sampler_logprobs=[-1.0, nan], stands_for=4.0)
    measures = Measures(torch.device("cpu"))
    logprobs = torch.tensor([-1.0, -1.5, -1.0, -3.0, -9.0])
    measures.add(collate([alone, sampled]), logprobs, torch.tensor([1.0, 2.0, 3.0, 10.0, 20.0]))
    metrics = measures.metrics()
    assert metrics["policy/entropy"] == pytest.approx((1 + 2 + 3 + 4 * (10 + 20)) / 11)
    assert metrics["policy/entropy_first"] == pytest.approx((1 + 4 * 10) / 5)
    assert metrics["policy/entropy_last"] == pytest.approx((3 + 4 * 20) / 5)
    assert metrics["sync/logprob_gap"] == pytest.approx((0.5 + 4 * 2) / 7)
    assert metrics["sync/logprob_gap_max"] == 2.0
    assert metrics["sync/kl"] == pytest.approx((exp(-0.5) - 1 + 0.5 + 4 * (exp(-2) - 1 + 2)) / 7)


def test_without_a_samplers_logprobs_nothing_is_compared():
    measures = Measures(torch.device("cpu"))
    measures.add(collate([Sequence([0, 0], prompt_length=1, weight=1.0)]), torch.zeros(1), torch.ones(1))
    assert not any(name.startswith("sync/") for name in measures.metrics())


def test_the_divergence_estimate_is_unbiased():
    """Draws from a known sampler: the estimate's mean is KL(sampler, trainer) within four standard errors."""
    sampler, trainer = torch.tensor([0.5, 0.3, 0.2]).log(), torch.tensor([0.4, 0.2, 0.4]).log()
    drawn = torch.multinomial(sampler.exp(), 20_000, replacement=True, generator=torch.Generator().manual_seed(0))
    measures = Measures(torch.device("cpu"))
    row = Sequence([0] * 20_001, 1, weight=1.0, sampler_logprobs=sampler[drawn].tolist())
    measures.add(collate([row]), trainer[drawn], torch.zeros(20_000))
    difference = trainer[drawn] - sampler[drawn]
    error = (difference.exp() - 1 - difference).std().item() / 20_000**0.5
    exact = (sampler.exp() * (sampler - trainer)).sum().item()
    assert measures.metrics()["sync/kl"] == pytest.approx(exact, abs=4 * error)
