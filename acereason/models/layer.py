"""A layer of a Qwen model that keeps little for its backward pass.

Norms, rotations and gates cost little time and much memory: autograd keeps what each of their steps gives. Here each is
one function that keeps its inputs alone, and computes the rest again. Values and gradients are those of transformers'
layer, in float32 to the last bit.
"""

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import silu

from acereason.models.attention import packed_attention


def keep_little(layer: nn.Module) -> None:
    """Let a layer of transformers' Qwen compute by the functions below, with the modules that it has."""
    layer.forward = MethodType(forward, layer)


def forward(layer: Any, hidden: Tensor, *, position_embeddings: tuple[Tensor, Tensor], **documents: Any) -> Tensor:
    """Map hidden states [1, N, H] to the same, with the signature that transformers calls.

    Args:
        layer: transformers' module.
        hidden: [1, N, H]
        position_embeddings: cosines and sines [1, N, d].
        documents: what `packed_attention` takes of them.
    """
    hidden, normed = _norm(hidden, layer.input_layernorm)
    hidden = hidden + attended(layer.self_attn, normed, position_embeddings, documents)
    hidden, normed = _norm(hidden, layer.post_attention_layernorm)
    gated = Gate.apply(layer.mlp.gate_proj(normed), layer.mlp.up_proj(normed))
    return hidden + layer.mlp.down_proj(gated)


def _norm(hidden: Tensor, norm: Any) -> tuple[Tensor, Tensor]:
    return Norm.apply(hidden, norm.weight, norm.variance_epsilon)


def attended(attention: Any, normed: Tensor, rotation: tuple[Tensor, Tensor], documents: dict[str, Any]) -> Tensor:
    """Map normalized hidden states [1, N, H] to the same, by the modules of transformers' attention."""
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    query, key, value = (project(normed).unflatten(-1, (-1, attention.head_dim)) for project in projections)
    # why: Qwen3 normalizes each head's queries and keys, Qwen2 does not
    if hasattr(attention, "q_norm"):
        query, key = attention.q_norm(query), attention.k_norm(key)
    query, key = (Rotate.apply(tensor, *rotation) for tensor in (query, key))
    heads = (tensor.transpose(1, 2) for tensor in (query, key, value))
    mixed, _ = packed_attention(attention, *heads, scaling=attention.scaling, **documents)
    return attention.o_proj(mixed.flatten(-2))


class Norm(torch.autograd.Function):
    """RMSNorm of hidden states, which it gives besides: both gradients meet here, in transformers' order."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
        """Return the hidden states [1, N, H] themselves, and normalized."""
        exact = hidden.float()
        scale = torch.rsqrt(exact.pow(2).mean(-1, keepdim=True) + epsilon)
        ctx.save_for_backward(hidden, weight, scale)
        return hidden, weight * (exact * scale).to(hidden.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_hidden: Tensor, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        """Give the gradients of hidden states and weight."""
        hidden, weight, scale = ctx.saved_tensors
        exact = hidden.float()
        grad_weight = (grad * (exact * scale).to(hidden.dtype)).sum_to_size(weight.shape)
        grad = (grad * weight).float()
        grad_scale = -0.5 * (grad * exact).sum(-1, keepdim=True) * scale.pow(3)
        through = exact.mul(2).mul_(grad_scale / exact.shape[-1])  # by the mean of squares
        return grad.mul_(scale).add_(grad_hidden).add_(through).to(hidden.dtype), grad_weight, None


class Rotate(torch.autograd.Function):
    """Rotary position embedding."""

    @staticmethod
    def forward(ctx: Any, heads: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        """Rotate [1, N, heads, d] by [1, N, d], whose halves are alike."""
        half = cosines.shape[-1] // 2
        cosines, sines = cosines[..., None, :half], sines[..., None, :half]
        ctx.save_for_backward(cosines, sines)
        return _rotated(heads, cosines, sines)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """Rotate the gradient back."""
        cosines, sines = ctx.saved_tensors
        return _rotated(grad, cosines, -sines), None, None


def _rotated(heads: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    rotated = torch.empty_like(heads)
    (first, second), (to_first, to_second) = heads.chunk(2, -1), rotated.chunk(2, -1)
    # why: copied first: a product that is written elsewhere (`out`) would end the graph of a compiled layer
    to_first.copy_(first).mul_(cosines).sub_(second * sines)
    to_second.copy_(second).mul_(cosines).add_(first * sines)
    return rotated


class Gate(torch.autograd.Function):
    """silu(gate) x up."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        """Return the product."""
        ctx.save_for_backward(gate, up)
        return silu(gate).mul_(up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        """Give the gradients of both."""
        gate, up = ctx.saved_tensors
        return torch.ops.aten.silu_backward(grad * up, gate), silu(gate).mul_(grad)
