"""Log-probs and entropy of chosen tokens without ever holding a [tokens, vocabulary] matrix."""

from typing import Any

import torch
from torch import Tensor


class _ChunkedHead(torch.autograd.Function):
    """Vocabulary projection, log-softmax and entropy by chunks of tokens; backward computes each chunk's logits
    again."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float, chunk: int
    ) -> tuple[Tensor, Tensor]:
        logprobs = hidden.new_empty(len(targets), dtype=torch.float32)
        entropy, log_normalizer = torch.empty_like(logprobs), torch.empty_like(logprobs)
        for rows in _chunks(len(targets), chunk):
            logits = _logits(hidden[rows], weight, temperature)
            log_normalizer[rows] = logits.logsumexp(-1)
            everything = logits.sub_(log_normalizer[rows, None])  # [chunk, V] log-probs
            logprobs[rows] = everything.gather(-1, targets[rows, None]).squeeze(-1)
            entropy[rows] = -everything.exp().mul_(everything).sum(-1)
        ctx.save_for_backward(hidden, weight, targets, log_normalizer)
        ctx.temperature, ctx.chunk = temperature, chunk
        ctx.mark_non_differentiable(entropy)
        return logprobs, entropy

    @staticmethod
    def backward(ctx: Any, grad_logprobs: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, targets, log_normalizer = ctx.saved_tensors
        grad_hidden = torch.empty_like(hidden)
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        for rows in _chunks(len(targets), ctx.chunk):
            logits = _logits(hidden[rows], weight, ctx.temperature)
            # d logprob / d logits = onehot - softmax
            grad = (logits - log_normalizer[rows, None]).exp_().neg_()
            grad.scatter_add_(-1, targets[rows, None], torch.ones_like(grad[:, :1]))
            grad = grad.mul_(grad_logprobs[rows, None] / ctx.temperature).to(hidden.dtype)
            grad_hidden[rows] = grad @ weight
            if grad_weight is not None:
                grad_weight += grad.T @ hidden[rows]
        return grad_hidden, None if grad_weight is None else grad_weight.to(weight.dtype), None, None, None


def _chunks(length: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def _logits(hidden: Tensor, weight: Tensor, temperature: float) -> Tensor:
    """[chunk, V] float32, divided by the temperature."""
    return (hidden @ weight.T).float().div_(temperature)


def chunked_logprobs(
    hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float = 1.0, chunk: int = 512
) -> tuple[Tensor, Tensor]:
    """log softmax(hidden @ weight.T / T)[target] and the entropy of that distribution, for every row.

    Args:
        hidden: [N, H] final hidden states.
        weight: [V, H] of the vocabulary projection, same dtype as `hidden`.
        targets: [N] token ids.
        temperature: T > 0, the sampling temperature.
        chunk: tokens whose [chunk, V] logits are held at a time.

    Returns:
        logprobs [N] float32, differentiable in `hidden` and `weight`, and entropy [N] float32 in nats, which is not.
    """
    return _ChunkedHead.apply(hidden, weight, targets, temperature, chunk)
