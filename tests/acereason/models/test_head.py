import pytest
import torch

from acereason.models.head import chunked_logprobs
from acereason.objective import entropy_of


@pytest.mark.parametrize("temperature", [0.6, 1.0, 1.7])
@pytest.mark.parametrize("chunk", [1, 5, 64])
def test_values_and_gradients_equal_the_plain_computation(temperature, chunk):
    torch.manual_seed(0)
    hidden, weight = torch.randn(17, 8, requires_grad=True), torch.randn(33, 8, requires_grad=True)
    targets, upstream = torch.randint(33, (17,)), torch.randn(17)

    logprobs, entropy = chunked_logprobs(hidden, weight, targets, temperature, chunk)
    ours = torch.autograd.grad(logprobs, (hidden, weight), upstream)
    logits = hidden @ weight.T
    plain = torch.log_softmax(logits / temperature, -1).gather(-1, targets[:, None]).squeeze(-1)
    expected = torch.autograd.grad(plain, (hidden, weight), upstream)

    torch.testing.assert_close(logprobs, plain, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(entropy, entropy_of(logits, temperature), atol=1e-5, rtol=1e-5)
    for mine, theirs in zip(ours, expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)


def test_extreme_logits_stay_finite():
    hidden, weight = torch.full((2, 4), 100.0, requires_grad=True), torch.eye(4) * 50
    logprobs, entropy = chunked_logprobs(hidden, weight, torch.tensor([0, 3]))
    logprobs.sum().backward()
    assert torch.isfinite(logprobs).all()
    assert torch.isfinite(entropy).all()
    assert torch.isfinite(hidden.grad).all()


def test_no_rows():
    hidden = torch.zeros(0, 4, requires_grad=True)
    logprobs, entropy = chunked_logprobs(hidden, torch.randn(7, 4), torch.zeros(0, dtype=torch.long))
    assert logprobs.shape == entropy.shape == (0,)


def test_the_whole_logit_matrix_is_never_held():
    """Of 4,096 tokens x 8,192 words the largest tensor that lives at any time is a chunk's."""
    hidden, weight = torch.randn(4096, 4, requires_grad=True), torch.randn(8192, 4, requires_grad=True)
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            largest = max([largest, *(t.numel() for t in torch.utils._pytree.tree_leaves(out) if torch.is_tensor(t))])
            return out

    with Watch():
        chunked_logprobs(hidden, weight, torch.zeros(4096, dtype=torch.long), chunk=256)[0].sum().backward()
    assert largest == 256 * 8192
