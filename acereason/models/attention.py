"""Attention over packed documents without a mask: the queries of a document are given its own keys only, so that no
document can attend to another.

On a CPU, and in float32, documents are computed one by one: faster there than one masked pass over the pack, and linear
in their number. On a GPU in bfloat16 all documents go in one call of FlashAttention's kernels. `attend_for` chooses.
"""

import importlib
import inspect
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from acereason.common.errors import UserError, first_line

Attend = Callable[..., Tensor]
"""(query [1, heads, N, d], key and value [1, kv_heads, N, d], scaling, lengths, cu_seqlens, longest) -> [1, N, heads,
d]. Each takes what it needs of the documents: their D lengths, [D + 1] int32 where each starts, and N; the longest."""

MISSING = (
    "model.backbone.attention: flash_attention_2 needs the package flash-attn, which {}; see the README, or set auto"
)
"""Message when flash-attn is asked for and missing, with the reason to fill in."""

FLASH_DTYPES = (torch.bfloat16, torch.float16)
"""Dtypes that FlashAttention computes in."""

# why: torch's choice may be MATH, whose memory is heads x N^2 x 4 bytes, 120 GB for 32K tokens and 28 heads, or
# CUDNN_ATTENTION, which builds, and keeps, a plan for each place and length of a document
IN_FLOAT32, IN_HALF = [SDPBackend.EFFICIENT_ATTENTION], [SDPBackend.FLASH_ATTENTION]
"""Kernels of one document on a GPU, whose memory is linear in its length."""


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float,
    document_lengths: list[int] | None = None,
    cu_seqlens: Tensor | None = None,
    longest: int | None = None,
    attend: Attend | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Compute causal attention within each document, with the signature that transformers calls. Without `attend` it is
    document by document, which needs `document_lengths` or `cu_seqlens`; all others need `cu_seqlens` and `longest`.

    Returns:
        [1, N, heads, d] and None (no attention weights).
    """
    attend = attend or by_documents
    documents = {"lengths": document_lengths, "cu_seqlens": cu_seqlens, "longest": longest}
    return attend(query, key, value, scaling=scaling, **documents), None


AttentionInterface.register("documents", packed_attention)


# why: not compiled: dynamo would compile it anew for each number of documents, until it gives up
@torch.compiler.disable
def by_documents(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    scaling: float,
    lengths: list[int] | None = None,
    cu_seqlens: Tensor | None = None,
    **_: Any,
) -> Tensor:
    """Call scaled_dot_product_attention for each document, with the kernel that torch chooses for the device."""
    if lengths is None:
        assert cu_seqlens is not None
        lengths = cu_seqlens.diff().tolist()
    if query.device.type == "cpu":
        return ByDocuments.apply(query, key, value, scaling, lengths)
    grouped = query.shape[1] != key.shape[1]
    attended = [
        scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling, enable_gqa=grouped)
        for q, k, v in zip(*(tensor.split(lengths, dim=2) for tensor in (query, key, value)), strict=True)
    ]
    return torch.cat(attended, dim=2).transpose(1, 2)


class ByDocuments(torch.autograd.Function):
    """The same on a CPU, by the kernel that torch chooses there: one function of all documents, for which autograd
    keeps no parts of documents."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, scaling: float, lengths: list[int]) -> Tensor:
        """Return [1, N, heads, d]."""
        attended = query.new_empty(query.transpose(1, 2).shape)
        sums = []
        for target, *document in _documents(lengths, attended.transpose(1, 2), query, key, value):
            result, summed = _CPU_KERNEL(*document, 0.0, True, scale=scaling)
            target.copy_(result)
            sums.append(summed)
        ctx.save_for_backward(query, key, value, attended, *sums)
        ctx.scaling, ctx.lengths = scaling, lengths
        return attended

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Give the gradients of query, key and value."""
        query, key, value, attended, *sums = ctx.saved_tensors
        inputs = query, key, value
        grads = [torch.empty_like(tensor) for tensor in inputs]
        documents = _documents(ctx.lengths, grad.transpose(1, 2), *inputs, attended.transpose(1, 2), *grads)
        for (upstream, q, k, v, result, *targets), summed in zip(documents, sums, strict=True):
            found = _CPU_KERNEL_BACKWARD(upstream, q, k, v, result, summed, 0.0, True, scale=ctx.scaling)
            for target, gradient in zip(targets, found, strict=True):
                target.copy_(gradient)
        return *grads, None, None


_CPU_KERNEL = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_CPU_KERNEL_BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def _documents(lengths: list[int], *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Each document's part of [1, heads, N, d] tensors."""
    return zip(*(tensor.split(lengths, dim=2) for tensor in tensors), strict=True)


@torch.compiler.disable
def by_documents_on_gpu(query: Tensor, key: Tensor, value: Tensor, **documents: Any) -> Tensor:
    """Attend document by document with a kernel whose memory is linear in a document's length."""
    kernels = IN_HALF if query.dtype in FLASH_DTYPES else IN_FLOAT32
    # why: the kernel for float32 has no grouped heads, so that shared keys and values are repeated
    if kernels is IN_FLOAT32:
        key, value = (tensor.repeat_interleave(query.shape[1] // tensor.shape[1], dim=1) for tensor in (key, value))
    with sdpa_kernel(kernels):
        return by_documents(query, key, value, **documents)


def varlen(
    query: Tensor, key: Tensor, value: Tensor, *, scaling: float, cu_seqlens: Tensor, longest: int, **_: Any
) -> Tensor:
    """Attend in all documents by one call of torch's own FlashAttention."""
    q, k, v = (_rows(tensor) for tensor in (query, key, value))
    causal: dict[str, Any] = {"scale": scaling, "window_size": (-1, 0)}
    attended = varlen_attn(q, k, v, cu_seqlens, cu_seqlens, longest, longest, **causal, **_GROUPED)
    assert isinstance(attended, Tensor)  # it is a pair only if more is asked for
    return attended[None]


# why: torch 2.11 accepts heads that share a key without a word; 2.13 needs the argument
_TOLD = "enable_gqa" in inspect.signature(varlen_attn).parameters
_GROUPED: dict[str, Any] = {"enable_gqa": True} if _TOLD else {}


def flash_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    kernel: Callable[..., Tensor],
    scaling: float,
    cu_seqlens: Tensor,
    longest: int,
    **_: Any,
) -> Tensor:
    """Attend in all documents by one call of `kernel`, the function of the package flash-attn."""
    rows = (_rows(tensor) for tensor in (query, key, value))
    return kernel(*rows, cu_seqlens, cu_seqlens, longest, longest, softmax_scale=scaling, causal=True)[None]


def _rows(tensor: Tensor) -> Tensor:
    """[1, heads, N, d] -> [N, heads, d]"""
    return tensor[0].transpose(0, 1)


@cache
def flash_attn() -> tuple[Callable[..., Tensor] | None, str]:
    """Return flash-attn's function for packed documents and an empty text, or None and the reason why it is missing."""
    try:
        return importlib.import_module("flash_attn").flash_attn_varlen_func, ""
    except ModuleNotFoundError as error:
        if error.name == "flash_attn":
            return None, "is not installed"
        return None, f"can't be loaded: {first_line(error)}"
    # why: a build for another torch fails to load; FlashAttention 4 alone leaves a package without the function
    except (ImportError, AttributeError, OSError) as error:
        return None, f"can't be loaded: {first_line(error)}"


@cache
def attend_for(wanted: str, device: torch.device, dtype: torch.dtype, head: int) -> Attend:
    """Return the function that computes attention in this run, and log the choice once.

    Args:
        wanted: `model.backbone.attention`.
        device: the model's device.
        dtype: the dtype of computation.
        head: size of a head.

    Raises:
        UserError: the wanted attention can't be computed on the device in the dtype.
    """
    capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else (0, 0)
    attend, told = choose(wanted, device.type, dtype, head, capability)
    rank_zero_info(f"attention of packed documents: {told}")
    return attend


def choose(
    wanted: str, device: str, dtype: torch.dtype, head: int, capability: tuple[int, int] = (8, 0)
) -> tuple[Attend, str]:
    """Return the function that computes attention on such a device, and its name. `capability` is the GPU's."""
    where = f"on {device} in {str(dtype).removeprefix('torch.')}"
    if device == "cuda":
        _check_gpu(dtype, head, capability)
    flash = device == "cuda" and dtype in FLASH_DTYPES
    if wanted in ("flash_attention_2", "varlen") and not flash:
        raise UserError(
            f"model.backbone.attention: {wanted} is for GPUs and bfloat16, not {where}; set auto, or "
            "model.backbone.compute_dtype: bfloat16 on a GPU"
        )
    if wanted == "documents" or not flash:
        return by_documents_on_gpu if device == "cuda" else by_documents, f"documents, one by one, {where}"
    return _flash(wanted, where)


def _flash(wanted: str, where: str) -> tuple[Attend, str]:
    kernel, missing = (None, "") if wanted == "varlen" else flash_attn()
    if kernel is not None:
        return partial(flash_attention, kernel=kernel), f"flash_attention_2, {where}"
    if wanted == "flash_attention_2":
        raise UserError(MISSING.format(missing))
    return varlen, f"varlen, torch's FlashAttention, {where}{missing and f'; flash-attn {missing}'}"


def _check_gpu(dtype: torch.dtype, head: int, capability: tuple[int, int]) -> None:
    if dtype == torch.bfloat16 and capability < (8, 0):
        raise UserError(
            "model.backbone.compute_dtype: bfloat16 needs a GPU of compute capability 8.0 (A100) or newer, this one "
            f"has {'.'.join(map(str, capability))}; set float32"
        )
    if head % 8 or head > 256:
        raise UserError(
            f"model.backbone.config: heads of {head}; on a GPU their size must be a multiple of 8, and at most 256"
        )
