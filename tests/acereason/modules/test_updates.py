from contextlib import nullcontext
from math import exp, log, nan
from types import SimpleNamespace

import pytest
import torch

from acereason.algorithm.batching import collate
from acereason.algorithm.clipping import OffPolicy
from acereason.common.types import Sequence
from acereason.modules import updates
from acereason.modules.base import QwenModule
from acereason.modules.updates import MiniBatch, UpdateMeasures, mini_batches, take_updates
from tests.support.fakes import BACKBONE, fake_trainer, group, plain_logprobs, rollout, tiny_qwen

CPU = torch.device("cpu")


def names(parts):
    return [[each.problem.id for each in part] for part in parts]


def test_mini_batches_are_the_same_on_any_number_of_ranks(monkeypatch):
    groups = [group(rollout("correct", 2), rollout("wrong", 3), name=name) for name in "fedcba"]
    whole = names(mini_batches(groups, 3, seed=5))
    assert [len(part) for part in whole] == [2, 2, 2]
    assert sorted(name for part in whole for name in part) == list("abcdef")
    assert [part[::-1] for part in names(mini_batches(groups[::-1], 3, seed=5))] == whole
    assert names(mini_batches(groups, 3, seed=6)) != whole
    monkeypatch.setattr(updates, "gather", lambda ids: list("abcdef"))
    ranks = [names(mini_batches(own, 3, seed=5)) for own in (groups[:1], groups[1:])]
    assert [sorted(a + b) for a, b in zip(*ranks, strict=True)] == [sorted(part) for part in whole]


def test_groups_that_have_left_the_loss_are_in_no_mini_batch():
    groups = [group(rollout("correct", 2), rollout("wrong", 3), name=name) for name in "abcde"]
    for each in groups[2].rollouts:
        each.in_loss = False
    parts = names(mini_batches(groups, 2, seed=0))
    assert [len(part) for part in parts] == [2, 2]
    assert "c" not in sum(parts, [])
    assert [len(part) for part in mini_batches(groups[:1], 2, seed=0)] == [0, 1]


def test_what_an_update_is_measured_by():
    """Ratios of 1.5 and 0.5 in a good response, of 1.25 in a bad one, and a token without an old log-prob."""
    good = Sequence([0] * 3, 1, weight=1.0, old_logprobs=[-1.0, -1.0], sampler_logprobs=[-1.5, nan])
    bad = Sequence([0] * 3, 1, weight=-1.0, old_logprobs=[-1.0, nan])
    logprobs = torch.tensor([-1 + log(1.5), -1 + log(0.5), -1 + log(1.25), -2])
    moved = sum(ratio - 1 - log(ratio) for ratio in (1.5, 0.5, 1.25)) / 4
    for drew in (True, False):
        measures = UpdateMeasures(CPU, OffPolicy(2), drew)
        measures.add(collate([good]), torch.tensor([-9.0, -9.0]), torch.zeros(2))  # without a gradient: no update's
        measures.add(collate([good, bad]), logprobs, torch.ones(4), torch.tensor(0.25))
        metrics = measures.metrics()
        own = {"policy/loss": 0.25, "policy/clip_fraction": 1 / 4, "policy/kl_old": moved}
        assert {name: metrics[name] for name in own} == pytest.approx(own)
        assert ("policy/entropy" in metrics, "sync/logprob_gap" in metrics) == (drew, drew)
    together = UpdateMeasures(CPU, OffPolicy(2, 0.01, 0.01, "sequence"), drew=False)
    together.add(collate([good, bad]), logprobs, torch.ones(4), torch.tensor(0.25))
    # the good response's ratio is 0.75 ** 0.5, which is not held; the bad one's is 1.25 ** 0.5, likewise
    assert together.metrics()["policy/clip_fraction"] == 0
    together.add(collate([bad]), torch.tensor([-2.0, -2.0]), torch.ones(2), torch.tensor(0.25))
    assert together.metrics()["policy/clip_fraction"] == 2 / 6  # exp(-1/2), in a bad response


def updating(monkeypatch) -> QwenModule:
    """A tiny model with SGD of rate 0.1 whose gradients are not scaled."""
    module = QwenModule(backbone=BACKBONE, micro_batch_tokens=20, max_grad_norm=None)
    strategy = SimpleNamespace(optimizer_step=lambda optimizer, closure: optimizer.step(), root_device=CPU)
    trainer = fake_trainer(profiler=SimpleNamespace(profile=lambda name: nullcontext()), strategy=strategy)
    monkeypatch.setattr(QwenModule, "trainer", trainer)
    monkeypatch.setattr(QwenModule, "manual_backward", lambda self, loss: loss.backward())
    module.model, module.learning_rate = tiny_qwen(), 0.1
    monkeypatch.setattr(QwenModule, "_optimizer", Counted(module.model, trainer))
    return module


class Counted:
    """SGD in Lightning's wrapper, whose step is a global step."""

    def __init__(self, model, trainer):
        self.optimizer, self.trainer = torch.optim.SGD(model.parameters(), lr=0.1), trainer
        self.param_groups, self.zero_grad = self.optimizer.param_groups, self.optimizer.zero_grad

    def step(self):
        self.optimizer.step()
        self.trainer.global_step += 1


def rows() -> list[Sequence]:
    weights = [0.5, -0.25, 0.0, -0.5, 0.3]
    return [
        Sequence([7 * n + place for place in range(9)], 3, weight, [-5.5 - 0.1 * n] * 6)
        for n, weight in enumerate(weights)
    ]


def plainly(model, batches: list[list[Sequence]], settings: OffPolicy, cap: float | None = None) -> list[float]:
    """The same updates by transformers' own forward pass and autograd; the objectives."""

    def logprobs_of(row: Sequence) -> torch.Tensor:
        return plain_logprobs(model, row.token_ids, 0.7)[2:].gather(-1, torch.tensor(row.token_ids[3:])[:, None])[:, 0]

    objectives, (low, high) = [], settings.bounds
    with torch.no_grad():
        old = {id(row): logprobs_of(row) for batch in batches for row in batch}
    if settings.old_logprobs == "engine":
        old = {id(row): torch.tensor(row.sampler_logprobs) for batch in batches for row in batch}
    for batch in batches:
        terms = []
        for row in batch:
            shift = logprobs_of(row) - old[id(row)]
            ratio = shift.mean().exp() if settings.ratio == "sequence" else shift.exp()
            weight = row.weight * torch.ones(6)
            if cap:
                weight *= (old[id(row)] - torch.tensor(row.sampler_logprobs)).exp().clamp(max=cap)
            terms.append(torch.minimum(ratio * weight, ratio.clip(low, high) * weight).sum())
        loss = -sum(terms) / 2
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter -= 0.1 * parameter.grad
        objectives.append(loss.item())
    return objectives


@pytest.mark.parametrize(
    ("settings", "cap"),
    [
        (OffPolicy(3), None),
        (OffPolicy(3, 0.02, 0.03), 1.1),
        (OffPolicy(3, ratio="sequence", clip_low=0.01), None),
        (OffPolicy(3, 0.3, 0.1, old_logprobs="engine"), None),
        (OffPolicy(3, 0.3, 0.1, "sequence", "engine"), None),
    ],
    ids=["token", "token, capped", "sequence", "engine", "sequence, engine"],
)
@pytest.mark.parametrize("micro_batch_tokens", [9, 20, 1000])
def test_updates_are_those_of_a_plain_implementation(monkeypatch, settings, cap, micro_batch_tokens):
    """Weights, objective and norms of three updates, in micro batches of any size."""
    module, plain, own, theirs = updating(monkeypatch), tiny_qwen(), rows(), rows()
    module.micro_batch_tokens = micro_batch_tokens
    batches = [MiniBatch(own[:2], 2.0), MiniBatch(own[2:4], 2.0), MiniBatch(own[4:], 2.0)]
    metrics = take_updates(module, batches, settings, 0.7, cap)
    objectives = plainly(plain, [theirs[:2], theirs[2:4], theirs[4:]], settings, cap)
    assert metrics["policy/loss"] == pytest.approx(sum(objectives) / 3, abs=1e-5)
    assert metrics["policy/kl_old"] > 0
    for one, other in zip(module.model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    assert module.trainer.global_step == 1


def test_the_policy_before_the_step_is_what_is_measured(monkeypatch):
    """Entropy and distance from the engine: by the trainer's log-probs of all rows, by the engine's of the first's."""
    whole = updating(monkeypatch).measure(rows(), 0.7)
    module = updating(monkeypatch)
    first = module.measure(rows()[:2], 0.7)
    for settings, expected in ((OffPolicy(2), whole), (OffPolicy(2, old_logprobs="engine"), first)):
        own, module = rows(), updating(monkeypatch)
        metrics = take_updates(module, [MiniBatch(own[:2], 1.0), MiniBatch(own[2:], 1.0)], settings, 0.7, None)
        for name in ("policy/entropy", "sync/logprob_gap", "sync/kl"):
            assert metrics[name] == pytest.approx(expected[name], rel=1e-6)


def test_one_update_of_the_trainers_is_the_strict_one(monkeypatch):
    strict, one = updating(monkeypatch), None
    measures = updates.Measures(CPU)
    strict.accumulate(rows(), measures, 0.7, 1.5)
    strict.update(measures, 3.0)
    one = updating(monkeypatch)
    metrics = take_updates(one, [MiniBatch(rows(), 3.0)], OffPolicy(1), 0.7, 1.5)
    assert (metrics["policy/clip_fraction"], metrics["policy/kl_old"]) == (0, 0)
    for mine, theirs in zip(one.model.parameters(), strict.model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-7, rtol=0)


def test_an_engine_without_log_probs_is_no_policy_to_compare_with(monkeypatch):
    module, own = updating(monkeypatch), rows()
    own[1].sampler_logprobs = [-1.0] * 5 + [nan]
    with pytest.raises(ValueError, match="off_policy.old_logprobs: the engine gave none for some tokens; set it to"):
        take_updates(module, [MiniBatch(own, 1.0)], OffPolicy(1, old_logprobs="engine"), 0.7, None)


def test_kl_old_is_that_of_schulman():
    row = Sequence([0, 0], 1, weight=1.0, old_logprobs=[-1.0])
    measures = UpdateMeasures(CPU, OffPolicy(2), drew=False)
    measures.add(collate([row]), torch.tensor([-2.0]), torch.zeros(1), torch.tensor(0.0))
    assert measures.metrics()["policy/kl_old"] == pytest.approx(exp(-1) - 1 + 1)
