"""Log-probs, entropy and loss of chosen tokens without ever holding a [tokens, vocabulary] matrix.

The loss's gradient is taken while a chunk's logits are at hand, so that they are computed once: three matrix products,
as many as with all logits in memory. Computing them again in backward takes a fourth.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Objective = Callable[[Tensor, slice], Tensor]
"""(log-probs [C], which rows these are) -> their part of the loss, a scalar; the loss is their sum."""

FEW, FEW_ON_GPU = 32, 256
"""Rows whose softmax is taken at a time.

On a CPU their float32 copies, 19 MB each for 152,064 words, should stay in the cache. On a GPU so few rows move some
250 MB, 0.1 ms, while the thirty-odd kernels of a piece, the objective's among them, take about 0.3 ms to launch: the
GPU would wait. 256 rows take 0.6 to 0.8 ms, and their two copies 311 MB. Estimated, not measured.
"""


def chunked_logprobs(
    hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float = 1.0, logits_mib: int = 256
) -> tuple[Tensor, Tensor]:
    """log softmax(hidden @ weight.T / T)[target] and the entropy of that distribution, for every row.

    Args:
        hidden: [N, H] final hidden states.
        weight: [V, H] of the vocabulary projection, same dtype as `hidden`.
        targets: [N] token ids.
        temperature: T > 0, the sampling temperature.
        logits_mib: MiB of logits that are held at a time, in the dtype of `hidden`.

    Returns:
        logprobs [N] and entropy [N], float32 in nats, neither with a gradient.
    """
    logprobs = hidden.new_empty(len(targets), dtype=torch.float32)
    entropy = torch.empty_like(logprobs)
    with torch.no_grad():
        for rows in _chunks(weight, len(targets), logits_mib):
            for few, logits in _pieces(rows, hidden[rows] @ weight.T):
                logprobs[few], entropy[few], _ = _softmax(logits, targets[few], temperature)
    return logprobs, entropy


def chunked_loss(
    hidden: Tensor, weight: Tensor, targets: Tensor, objective: Objective, temperature: float, logits_mib: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The objective of all rows' log-probs, differentiable in `hidden` and `weight`, with what `chunked_logprobs`
    returns for the same arguments.

    Its gradients wait in memory for backward, which may run once.
    """
    return _ChunkedLoss.apply(hidden, weight, targets, objective, temperature, logits_mib)


class _ChunkedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        objective: Objective,
        temperature: float,
        logits_mib: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        logprobs = hidden.new_empty(len(targets), dtype=torch.float32)
        entropy, loss = torch.empty_like(logprobs), logprobs.new_zeros(())
        grad_hidden, grad_weight = torch.empty_like(hidden), torch.zeros_like(weight, dtype=torch.float32)
        for rows in _chunks(weight, len(targets), logits_mib):
            grad = hidden[rows] @ weight.T  # logits first, their gradient in the end
            for few, logits in _pieces(rows, grad):
                logprobs[few], entropy[few], probs = _softmax(logits, targets[few], temperature)
                part, slope = _slope(objective, logprobs[few], few)
                loss += part
                logits.copy_(_grad_logits(probs, targets[few], slope / temperature))
            torch.mm(grad, weight, out=grad_hidden[rows])
            _add_product(grad_weight, grad.T, hidden[rows])
            del grad, logits  # before the next chunk's
        ctx.gradients = grad_hidden, grad_weight.to(weight.dtype)
        ctx.mark_non_differentiable(logprobs, entropy)
        return loss, logprobs, entropy

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        grad_hidden, grad_weight = ctx.gradients
        del ctx.gradients  # scaled in place: a second backward raises
        return grad_hidden.mul_(grad_loss), grad_weight.mul_(grad_loss), None, None, None, None


def _chunks(weight: Tensor, length: int, logits_mib: int) -> list[slice]:
    """Of as many tokens as the budget has room for, at least one."""
    return _slices(0, length, max(1, logits_mib * 2**20 // (weight.element_size() * len(weight))))


def _pieces(rows: slice, logits: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """A chunk by a few rows, of which float32 copies are small."""
    few = _few(logits.device)
    return zip(_slices(rows.start, rows.stop, few), logits.split(few), strict=True)


def _few(device: torch.device) -> int:
    return FEW_ON_GPU if device.type == "cuda" else FEW


def _slices(start: int, stop: int, size: int) -> list[slice]:
    return [slice(at, min(at + size, stop)) for at in range(start, stop, size)]


def _softmax(logits: Tensor, targets: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probs [C], entropy [C] and probabilities [C, V] in float32; float32 logits are overwritten."""
    logits = logits.float().div_(temperature)
    logits -= logits.amax(-1, keepdim=True)
    probs = logits.exp()
    total = probs.sum(-1)
    logprobs = logits.gather(-1, targets[:, None])[:, 0] - total.log()
    entropy = total.log() - logits.mul_(probs).sum(-1) / total
    return logprobs, entropy, probs.div_(total[:, None])


def _slope(objective: Objective, logprobs: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
    """The objective of some rows, and its derivative in their log-probs [C]."""
    with torch.enable_grad():
        logprobs = logprobs.detach().requires_grad_()
        loss = objective(logprobs, rows)
        return loss.detach(), torch.autograd.grad(loss, logprobs)[0]


def _grad_logits(probs: Tensor, targets: Tensor, slope: Tensor) -> Tensor:
    """slope x (onehot - probs), in place of `probs`: the derivative of a log-prob in its logits, scaled."""
    return probs.mul_(-slope[:, None]).scatter_add_(-1, targets[:, None], slope[:, None])


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total += left @ right in float32, without a product of total's size."""
    if left.dtype == total.dtype:
        total.addmm_(left, right)
        return
    for part, rows in zip(total.chunk(8), left.chunk(8), strict=True):
        part += rows @ right
