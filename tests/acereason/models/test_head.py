import math

import pytest
import torch

from acereason.algorithm.clipping import Ratios, log_ratios
from acereason.algorithm.objective import entropy_of
from acereason.models import head
from acereason.models.head import PolicyLoss, chunked_logprobs

MIB = 2**20


@pytest.fixture(params=[1, 5, 64])
def rows_a_chunk(request, monkeypatch):
    """Chunks of so many rows, and softmaxes of two at a time: the smallest budget is a MiB, far more than a test's."""
    monkeypatch.setattr(head, "FEW", 2)
    monkeypatch.setattr(head, "_chunks", lambda weight, length, _: head._slices(0, length, request.param))


def example(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    """hidden [17, 8], weight [33, 8] and targets [17]."""
    torch.manual_seed(0)
    hidden, weight = torch.randn(17, 8).to(dtype).requires_grad_(), torch.randn(33, 8).to(dtype).requires_grad_()
    return hidden, weight, torch.randint(33, (17,))


def plain(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, temperature: float) -> torch.Tensor:
    return torch.log_softmax(hidden @ weight.T / temperature, -1).gather(-1, targets[:, None]).squeeze(-1)


def policy_loss(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    targets: torch.Tensor,
    weights: torch.Tensor | None = None,
    temperature: float = 1.0,
    logits_mib: int = 1,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The loss without importance weights; by default all tokens weigh 1."""
    weights, unknown = torch.ones(len(targets)) if weights is None else weights, torch.full((len(targets),), math.nan)
    return PolicyLoss.apply(hidden, weight, targets, weights, unknown, None, temperature, logits_mib)


@pytest.mark.usefixtures("rows_a_chunk")
@pytest.mark.parametrize("temperature", [0.6, 1.0, 1.7])
def test_values_and_gradients_equal_the_plain_computation(temperature):
    hidden, weight, targets = example()
    weights = torch.randn(17)
    loss, logprobs, entropy = policy_loss(hidden, weight, targets, weights, temperature)
    ours = torch.autograd.grad(3 * loss, (hidden, weight))  # what follows the loss scales the gradient
    reference = plain(hidden, weight, targets, temperature)
    expected_loss = -(weights * reference).sum()
    expected = torch.autograd.grad(3 * expected_loss, (hidden, weight))

    torch.testing.assert_close(loss, expected_loss, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(logprobs, reference.detach(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(entropy, entropy_of(hidden @ weight.T, temperature).detach(), atol=1e-5, rtol=1e-5)
    for mine, theirs in zip(ours, expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)
    for mine, theirs in zip(chunked_logprobs(hidden, weight, targets, temperature), (logprobs, entropy), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-6)


@pytest.mark.usefixtures("rows_a_chunk")
def test_importance_weights_are_constants_of_the_gradient():
    hidden, weight, targets = example()
    sampler, advantages = plain(hidden, weight, targets, 0.8).detach() + torch.randn(17), torch.randn(17)
    sampler[5] = math.nan  # the engine gave none: the token keeps its weight
    loss, _, _ = PolicyLoss.apply(hidden, weight, targets, advantages, sampler, 1.5, 0.8, 1)
    reference = plain(hidden, weight, targets, 0.8)
    ratios = (reference.detach() - sampler).exp().clamp(max=1.5)
    assert 1.5 in ratios
    ratios[5] = 1.0
    expected_loss = -(advantages * ratios * reference).sum()
    torch.testing.assert_close(loss, expected_loss, atol=1e-5, rtol=1e-5)
    expected = torch.autograd.grad(expected_loss, (hidden, weight))
    for mine, theirs in zip(torch.autograd.grad(loss, (hidden, weight)), expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.usefixtures("rows_a_chunk")
@pytest.mark.parametrize("shares", [False, True], ids=["token", "sequence"])
def test_clipped_ratios_have_the_gradient_of_autograd(shares):
    """Of two responses with importance weights, of which a token has no old log-prob; where the tokens of a response
    share its ratio and have weights of their own, by the formula of GSPO-token (2507.18071, Eq. 14)."""
    hidden, weight, targets = example()
    torch.manual_seed(1)
    advantages, lengths = torch.randn(17), [6, 11]
    if shares:
        advantages = torch.tensor([0.5, -0.7]).repeat_interleave(torch.tensor(lengths))
    reference = plain(hidden, weight, targets, 0.8)
    old = reference.detach() + 0.3 * torch.randn(17)
    sampler, unknown = old + torch.randn(17), torch.arange(17) == 3
    given = old.masked_fill(unknown, math.nan)
    before = torch.where(unknown, reference.detach(), old)
    shift = reference - before
    if shares:
        means = torch.cat([part.mean().expand_as(part) for part in shift.split(lengths)])
        shift = means.detach() + reference - reference.detach()
    ratios, weights = shift.exp(), advantages * (before - sampler).exp().clamp(max=1.5)
    bounds = (0.98, 1.02) if shares else (0.8, 1.28)
    expected_loss = -torch.minimum(ratios * weights, ratios.clamp(*bounds) * weights).sum()
    expected = torch.autograd.grad(expected_loss, (hidden, weight))

    with torch.no_grad():
        shared = log_ratios(chunked_logprobs(hidden, weight, targets, 0.8)[0], given, "sequence", lengths)
    settings = (targets, advantages, sampler, 1.5, 0.8, 1, Ratios(given, bounds, shared if shares else None))
    loss, logprobs, _ = PolicyLoss.apply(hidden, weight, *settings)
    torch.testing.assert_close(loss, expected_loss, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(logprobs, reference.detach(), atol=1e-5, rtol=1e-5)
    for mine, theirs in zip(torch.autograd.grad(loss, (hidden, weight)), expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.usefixtures("rows_a_chunk")
def test_bfloat16_is_accumulated_in_float32():
    """Values and gradients of the same numbers in float64 differ by bfloat16's rounding of logits and products."""
    hidden, weight, targets = example(torch.bfloat16)
    loss, logprobs, entropy = policy_loss(hidden, weight, targets, temperature=0.8)
    ours = torch.autograd.grad(loss, (hidden, weight))
    exact = [tensor.detach().double().requires_grad_() for tensor in (hidden, weight)]
    reference = plain(*exact, targets, 0.8)
    assert (loss.dtype, logprobs.dtype, entropy.dtype) == (torch.float32,) * 3
    torch.testing.assert_close(logprobs.double(), reference.detach(), atol=0.05, rtol=0)
    for mine, theirs in zip(ours, torch.autograd.grad(-reference.sum(), exact), strict=True):
        assert mine.dtype == torch.bfloat16
        assert (mine - theirs).norm() < 0.01 * theirs.norm()


def test_a_gpu_takes_more_rows_at_a_time_than_a_cpu():
    """Which changes no number: rows don't know each other."""
    assert (head._few(torch.device("cpu")), head._few(torch.device("cuda", 3))) == (32, 256)


def test_rows_at_a_time_change_no_log_prob(monkeypatch):
    torch.manual_seed(0)
    hidden, weight = torch.randn(300, 8, requires_grad=True), torch.randn(33, 8, requires_grad=True)
    targets, results = torch.randint(33, (300,)), []
    for few in (head.FEW, head.FEW_ON_GPU):
        monkeypatch.setattr(head, "FEW", few)
        loss, *told = policy_loss(hidden, weight, targets, temperature=0.8)
        results.append([*told, *torch.autograd.grad(loss, (hidden, weight)), loss.detach()])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-6)


def test_many_chunks_round_a_bfloat16_gradient_once(monkeypatch):
    """A thousand equal gradients, a row each: a sum in bfloat16 would stand still at 256 of them."""
    monkeypatch.setattr(head, "_chunks", lambda weight, length, _: head._slices(0, length, 1))
    hidden = torch.ones(1024, 1, dtype=torch.bfloat16)
    weight = torch.zeros(2, 1, dtype=torch.bfloat16, requires_grad=True)
    loss, _, _ = policy_loss(hidden, weight, torch.zeros(1024, dtype=torch.long))
    loss.backward()
    assert weight.grad.flatten().tolist() == [-512, 512]


def test_nothing_of_the_gradient_is_computed_without_one():
    """No product but the logits', and no graph."""
    hidden, weight, targets = example()
    with Watch() as watch:
        logprobs, entropy = chunked_logprobs(hidden, weight, targets)
    assert watch.products == 1
    assert not logprobs.requires_grad
    assert not entropy.requires_grad


def test_logits_are_computed_once():
    hidden, weight, targets = example()
    with Watch() as watch:
        policy_loss(hidden, weight, targets)[0].backward()
    assert watch.products == 3  # logits, and a gradient each of hidden and weight


def test_a_second_backward_is_refused():
    hidden, weight, targets = example()
    loss, _, _ = policy_loss(hidden, weight, targets)
    loss.backward(retain_graph=True)
    with pytest.raises(AttributeError, match="gradients"):
        loss.backward()


def test_extreme_logits_stay_finite():
    hidden = torch.tensor([[100.0, 0, 0, -100], [0, 0, 0, 1e4]], requires_grad=True)
    weight = (torch.eye(4) * 50).requires_grad_()
    loss, logprobs, entropy = policy_loss(hidden, weight, torch.tensor([3, 3]))
    loss.backward()
    assert logprobs.tolist() == [-10_000, 0]
    assert entropy.tolist() == [0, 0]
    assert hidden.grad.tolist() == [[50, 0, 0, -50], [0, 0, 0, 0]]
    assert torch.isfinite(weight.grad).all()


def test_no_rows():
    hidden, weight = torch.zeros(0, 4, requires_grad=True), torch.randn(7, 4, requires_grad=True)
    targets = torch.zeros(0, dtype=torch.long)
    loss, logprobs, entropy = policy_loss(hidden, weight, targets)
    loss.backward()
    assert logprobs.shape == entropy.shape == (0,)
    assert loss.item() == 0
    assert not weight.grad.any()


@pytest.mark.parametrize(("dtype", "rows"), [(torch.float32, 64), (torch.bfloat16, 128)])
def test_the_budget_bounds_the_logits(dtype, rows):
    """Of 1,024 tokens x 8,192 words and 2 MiB, no tensor is larger than a chunk's logits."""
    hidden = torch.randn(1024, 4, dtype=dtype, requires_grad=True)
    weight = torch.randn(8192, 4, dtype=dtype, requires_grad=True)
    targets = torch.zeros(1024, dtype=torch.long)
    with Watch() as watch:
        policy_loss(hidden, weight, targets, logits_mib=2)[0].backward()
        chunked_logprobs(hidden, weight, targets, logits_mib=2)
    assert watch.largest == rows * 8192
    assert rows * 8192 * dtype.itemsize == 2 * MIB


def test_a_budget_below_one_row_is_one_row():
    hidden, weight = torch.randn(2, 1), torch.randn(300_000, 1)
    with Watch() as watch:
        chunked_logprobs(hidden, weight, torch.tensor([0, 1]), logits_mib=1)
    assert watch.largest == 300_000


class Watch(torch.utils._python_dispatch.TorchDispatchMode):
    """The elements of the largest tensor that any operation gives, and how many of them are matrix products."""

    largest = products = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        leaves = torch.utils._pytree.tree_leaves(out)
        self.largest = max([self.largest, *(tensor.numel() for tensor in leaves if torch.is_tensor(tensor))])
        self.products += func.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.addmm_)
        return out
