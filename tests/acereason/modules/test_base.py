from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from acereason.algorithm.batching import collate
from acereason.algorithm.schedule import Schedule
from acereason.common.errors import UserError
from acereason.common.types import Sequence
from acereason.modules.base import QwenModule
from acereason.modules.measures import Measures
from tests.support.fakes import BACKBONE, fake_trainer, plain_logprobs, tiny_qwen


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"micro_batch_tokens": 0}, "micro_batch_tokens must be at least 1, not 0"),
        ({"logits_mib": 0}, "logits_mib must be at least 1, not 0"),
        ({"max_grad_norm": 0.0}, "max_grad_norm must be above 0, or null"),
    ],
    ids=str,
)
def test_what_would_train_nothing_is_refused(settings, told):
    with pytest.raises(ValueError, match=told):
        QwenModule(backbone=BACKBONE, **settings)


def test_an_optimizer_that_refuses_a_value_is_a_users_mistake():
    module = QwenModule(backbone=BACKBONE, optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=-1.0))
    with pytest.raises(UserError, match=r"^model.optimizer: Invalid learning rate: -1.0"):
        module.optimizer_of([torch.nn.Parameter(torch.zeros(1))])


def test_offloading_is_fsdp2s():
    module = QwenModule(backbone=replace(BACKBONE, offload=True))
    module.check_sharding(has_mesh=True, ranks=1)
    with pytest.raises(UserError, match=r"^model.backbone.offload: needs FSDP2, see conf/hardware/1gpu-offload.yaml"):
        module.check_sharding(has_mesh=False, ranks=1)


def test_a_rate_that_the_optimizer_holds_as_a_tensor_follows_the_schedule(monkeypatch):
    """As those of torchao do, which refuse a number in its place."""
    monkeypatch.setattr(QwenModule, "trainer", fake_trainer(global_step=1))
    monkeypatch.setattr(QwenModule, "_optimizer", None)
    found = []
    for rate in (0.01, torch.tensor(0.01)):
        module = QwenModule(
            backbone=BACKBONE,
            optimizer=partial(torch.optim.AdamW, lr=rate, foreach=False),
            schedule=Schedule(warmup_steps=4),
        )
        module.model = tiny_qwen()
        module._optimizer = module.configure_optimizers()
        for parameter in module.model.parameters():
            parameter.grad = torch.ones_like(parameter)
        _, told = module.step_optimizer(2.0, last=True)
        held = module._optimizer.param_groups[0]["lr"]
        assert told == pytest.approx(0.01 * module.schedule.factor(1))
        assert isinstance(held, torch.Tensor) == isinstance(rate, torch.Tensor)
        assert float(held) == pytest.approx(told)
        assert float(module._settings[0]["lr"]) == pytest.approx(0.01)  # what a resumed run begins with
        found.append(torch.cat([parameter.flatten() for parameter in module.model.parameters()]))
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-7)


def updating(monkeypatch) -> QwenModule:
    """A tiny model that can accumulate gradients, two sequences in a micro batch."""
    module = QwenModule(backbone=BACKBONE, micro_batch_tokens=20)
    profiler = SimpleNamespace(profile=lambda name: nullcontext())
    monkeypatch.setattr(QwenModule, "trainer", fake_trainer(profiler=profiler, strategy=None))
    monkeypatch.setattr(QwenModule, "manual_backward", lambda self, loss: loss.backward())
    module.model = tiny_qwen()
    return module


def sequence(first: int, weight: float) -> Sequence:
    return Sequence(list(range(first, first + 9)), 3, weight, [-1.0] * 6)


@pytest.mark.parametrize("weights", [[0.5, 0.0, -0.25, 0.0], [0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0], []])
def test_sequences_of_weight_0_are_measured_without_a_backward_pass(monkeypatch, weights):
    module, measures = updating(monkeypatch), Measures(torch.device("cpu"))
    calls = []
    for name in ("policy_loss", "token_logprobs"):
        method = getattr(module.model, name)
        monkeypatch.setattr(
            module.model, name, lambda batch, *a, n=name, m=method: calls.append((n, batch)) or m(batch, *a)
        )
    rows = [sequence(10 * place, weight) for place, weight in enumerate(weights)]
    module.accumulate(rows, measures, 0.7)
    assert all(bool(batch.weights.any()) == (name == "policy_loss") for name, batch in calls if len(batch.targets))
    plain = tiny_qwen()
    loss, logprobs, entropy = plain.policy_loss(collate(rows), 0.7, 64)
    loss.backward()
    for one, other in zip(module.model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-6, rtol=1e-4)
    metrics = measures.metrics()
    assert metrics["policy/loss"] == pytest.approx(loss.item(), rel=1e-6)
    if rows:
        assert metrics["policy/entropy"] == pytest.approx(entropy.mean().item())
        assert metrics["sync/logprob_gap"] == pytest.approx((logprobs + 1).abs().mean().item())


def test_tokens_weigh_what_is_their_own(monkeypatch):
    """The gradient is minus the sum of each token's weight x log-prob; a row whose tokens all have 0 gets no pass."""
    module, measures = updating(monkeypatch), Measures(torch.device("cpu"))
    own = [0.25, -0.5, 0.0, 1.0, 0.0, -0.125]
    rows = [replace(sequence(0, 0.5), token_weights=own), replace(sequence(20, 0.5), token_weights=[-0.5] * 6)]
    loss_of, passes = module.model.policy_loss, []
    monkeypatch.setattr(module.model, "policy_loss", lambda batch, *a: passes.append(batch) or loss_of(batch, *a))
    module.accumulate(rows, measures, 0.7)
    assert sum(len(batch.targets) for batch in passes) == 6
    plain, ids = tiny_qwen(), rows[0].token_ids
    logprobs = plain_logprobs(plain, ids, 0.7)[2:].gather(-1, torch.tensor(ids[3:])[:, None])
    (-(torch.tensor(own) + 0.5) * logprobs[:, 0]).sum().backward()
    for one, other in zip(module.model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-6, rtol=1e-4)


def test_nothing_to_observe_costs_no_forward_pass(monkeypatch):
    module = updating(monkeypatch)
    monkeypatch.setattr(module.model, "token_logprobs", None)
    assert module.measure([], 1.0)["policy/entropy"] == 0
