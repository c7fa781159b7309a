"""Log-probs, entropy and loss of chosen tokens without ever holding a [tokens, vocabulary] matrix.

The loss is linear in the log-probs, so each token's weight is all that its gradient needs. It is taken while a chunk's
logits are at hand, so that they are computed once: three matrix products, as many as with all logits in memory.
Computing them again in backward takes a fourth.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from acereason.algorithm.clipping import Ratios
from acereason.algorithm.objective import importance_weights

FEW, FEW_ON_GPU = 32, 256
"""Rows whose softmax is taken at a time.

On a CPU their float32 copies, 19 MB each for 152,064 words, should stay in the cache. On a GPU so few rows move some
250 MB, 0.1 ms, while the thirty-odd kernels of a piece, the loss's among them, take about 0.3 ms to launch: the
GPU would wait. 256 rows take 0.6 to 0.8 ms, and their two copies 311 MB. Estimated, not measured.
"""


def chunked_logprobs(
    hidden: Tensor, lm_head: Tensor, targets: Tensor, temperature: float = 1.0, logits_mib: int = 256
) -> tuple[Tensor, Tensor]:
    """log softmax(hidden @ lm_head.T / T)[target] and the entropy of that distribution, for every row.

    Args:
        hidden: [N, H] final hidden states.
        lm_head: [V, H] of the vocabulary projection, same dtype as `hidden`.
        targets: [N] token ids.
        temperature: T > 0, the sampling temperature.
        logits_mib: MiB of logits that are held at a time, in the dtype of `hidden`.

    Returns:
        logprobs [N] and entropy [N], float32 in nats, neither with a gradient.
    """
    logprobs = hidden.new_empty(len(targets), dtype=torch.float32)
    entropy = torch.empty_like(logprobs)
    with torch.no_grad():
        for rows in _chunks(lm_head, len(targets), logits_mib):
            for few, logits in _pieces(rows, hidden[rows] @ lm_head.T):
                logprobs[few], entropy[few], _ = _softmax(logits, targets[few], temperature)
    return logprobs, entropy


class PolicyLoss(torch.autograd.Function):
    """The loss of Eq. 1, minus the sum of weight x log-prob over the tokens. Its gradient is that of the ratio form at
    ratio 1. SFT is the same with weights of 1. Off-policy it is minus the sum of the clipped ratios' objective.

    `apply` takes the arguments of `forward`, without `ctx`, and is differentiable in `hidden` and `lm_head`.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        lm_head: Tensor,
        targets: Tensor,
        weights: Tensor,
        sampler_logprobs: Tensor,
        importance_cap: float | None,
        temperature: float,
        logits_mib: int,
        ratios: Ratios | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Sum the loss, and take its gradient, chunk by chunk.

        Args:
            ctx: keeps the gradients for backward, which may run once.
            hidden: [N, H] final hidden states.
            lm_head: [V, H], same dtype as `hidden`.
            targets: [N] token ids.
            weights: [N] from `token_weight`.
            sampler_logprobs: [N] the engine's; NaN where it gave none.
            importance_cap: see `importance_weights`, which multiply `weights`.
            temperature: T > 0, the sampling temperature.
            logits_mib: MiB of logits that are held at a time, in the dtype of `hidden`.
            ratios: to the policy before the step; None: it is this one.

        Returns:
            the loss, and what `chunked_logprobs` returns for the same arguments.
        """
        logprobs = hidden.new_empty(len(targets), dtype=torch.float32)
        entropy, loss = torch.empty_like(logprobs), logprobs.new_zeros(())
        grad_hidden = torch.empty_like(hidden)
        trained = ctx.needs_input_grad[1]  # not beside adapters
        grad_lm_head = torch.zeros_like(lm_head, dtype=torch.float32) if trained else None
        for rows in _chunks(lm_head, len(targets), logits_mib):
            grad = hidden[rows] @ lm_head.T  # logits first, their gradient in the end
            for few, logits in _pieces(rows, grad):
                logprobs[few], entropy[few], probs = _softmax(logits, targets[few], temperature)
                old = logprobs[few] if ratios is None else ratios.old(logprobs[few], few)
                token_weights = weights[few] * importance_weights(old, sampler_logprobs[few], importance_cap)
                terms = token_weights * logprobs[few]  # Eq. 1
                if ratios is not None:
                    terms, token_weights = ratios.clipped(logprobs[few], token_weights, few)
                loss -= terms.sum()
                logits.copy_(_grad_logits(probs, targets[few], token_weights / temperature))
            torch.mm(grad, lm_head, out=grad_hidden[rows])
            if grad_lm_head is not None:
                _add_product(grad_lm_head, grad.T, hidden[rows])
            del grad, logits  # before the next chunk's
        ctx.gradients = grad_hidden, None if grad_lm_head is None else grad_lm_head.to(lm_head.dtype)
        ctx.mark_non_differentiable(logprobs, entropy)
        return loss, logprobs, entropy

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        """Give the gradients of `hidden` and `lm_head`, scaled by that of the loss."""
        grad_hidden, grad_lm_head = ctx.gradients
        del ctx.gradients  # scaled in place: a second backward raises
        grad_lm_head = None if grad_lm_head is None else grad_lm_head.mul_(grad_loss)
        return grad_hidden.mul_(grad_loss), grad_lm_head, *[None] * 7


def _chunks(lm_head: Tensor, length: int, logits_mib: int) -> list[slice]:
    """Of as many tokens as the budget has room for, at least one."""
    return _slices(0, length, max(1, logits_mib * 2**20 // (lm_head.element_size() * len(lm_head))))


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


def _grad_logits(probs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """weights x (probs - onehot), in place of `probs`: the gradient of minus weights x log-prob in the logits."""
    return probs.mul_(weights[:, None]).scatter_add_(-1, targets[:, None], -weights[:, None])


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total += left @ right in float32, without a product of total's size."""
    if left.dtype == total.dtype:
        total.addmm_(left, right)
        return
    for part, rows in zip(total.chunk(8), left.chunk(8), strict=True):
        part += rows @ right
