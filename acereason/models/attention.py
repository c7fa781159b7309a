"""Attention over packed documents without a mask: leakage is impossible by construction, for a document's keys are all
that its queries are given.

On a CPU, and in float32, document by document: faster there than one masked pass over the pack, and linear in the
number of documents. On a GPU in bfloat16 all documents in one call, by FlashAttention's kernels. `attend_for` chooses.
"""

import importlib
import inspect
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from acereason.errors import UserError, first_line

Attend = Callable[..., Tensor]
"""(query [1, heads, N, d], key and value [1, kv_heads, N, d], scaling, lengths, cu_seqlens, longest) -> [1, N, heads,
d]. Each takes what it needs of the documents: their D lengths, [D + 1] int32 where each starts, and N; the longest."""

MISSING = (
    "model.backbone.attention: flash_attention_2 needs the package flash-attn, which {}; see the README, or set auto"
)
"""What is said where it is asked for, and why it can't be had."""

FLASH_DTYPES = (torch.bfloat16, torch.float16)
"""What FlashAttention computes in."""

IN_FLOAT32, IN_HALF = [SDPBackend.EFFICIENT_ATTENTION], [SDPBackend.FLASH_ATTENTION]
"""Kernels of one document on a GPU, whose memory is linear in its length: that of MATH is heads x N^2 x 4 bytes, 120 GB
for 32K tokens and 28 heads; and CUDNN_ATTENTION builds, and keeps, a plan for each place and length of a document."""


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
    """Causal attention within each document, as transformers calls it; null `attend`: one after the other, which needs
    the documents' lengths or where they start, the others the latter and the longest.

    Returns:
        [1, N, heads, d] and None (no attention weights).
    """
    attend = attend or by_documents
    documents = {"lengths": document_lengths, "cu_seqlens": cu_seqlens, "longest": longest}
    return attend(query, key, value, scaling=scaling, **documents), None


AttentionInterface.register("documents", packed_attention)


@torch.compiler.disable  # why: a compiled one is compiled anew for each number of documents, until dynamo gives up
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
    """A call of scaled_dot_product_attention for each document, by the kernel that torch takes for this device."""
    grouped = query.shape[1] != key.shape[1]
    if lengths is None:
        assert cu_seqlens is not None
        lengths = cu_seqlens.diff().tolist()
    attended = [
        scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling, enable_gqa=grouped)
        for q, k, v in zip(*(tensor.split(lengths, dim=2) for tensor in (query, key, value)), strict=True)
    ]
    return torch.cat(attended, dim=2).transpose(1, 2)


@torch.compiler.disable
def by_documents_on_gpu(query: Tensor, key: Tensor, value: Tensor, **documents: Any) -> Tensor:
    """The same by a kernel whose memory is linear in a document's length."""
    kernels = IN_HALF if query.dtype in FLASH_DTYPES else IN_FLOAT32
    if kernels is IN_FLOAT32:  # which knows no heads that share a key
        key, value = (tensor.repeat_interleave(query.shape[1] // tensor.shape[1], dim=1) for tensor in (key, value))
    with sdpa_kernel(kernels):
        return by_documents(query, key, value, **documents)


def varlen(
    query: Tensor, key: Tensor, value: Tensor, *, scaling: float, cu_seqlens: Tensor, longest: int, **_: Any
) -> Tensor:
    """All documents in one call of torch's own FlashAttention."""
    q, k, v = (_rows(tensor) for tensor in (query, key, value))
    causal: dict[str, Any] = {"scale": scaling, "window_size": (-1, 0)}
    attended = varlen_attn(q, k, v, cu_seqlens, cu_seqlens, longest, longest, **causal, **_GROUPED)
    assert isinstance(attended, Tensor)  # a pair where more is asked for
    return attended[None]


_TOLD = "enable_gqa" in inspect.signature(varlen_attn).parameters
_GROUPED: dict[str, Any] = {"enable_gqa": True} if _TOLD else {}
"""torch 2.11 takes heads that share a key as they come; 2.13 wants to be told."""


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
    """The same by the package flash-attn, whose function `kernel` is."""
    rows = (_rows(tensor) for tensor in (query, key, value))
    return kernel(*rows, cu_seqlens, cu_seqlens, longest, longest, softmax_scale=scaling, causal=True)[None]


def _rows(tensor: Tensor) -> Tensor:
    """[1, heads, N, d] -> [N, heads, d]"""
    return tensor[0].transpose(0, 1)


@cache
def flash_attn() -> tuple[Callable[..., Tensor] | None, str]:
    """FlashAttention's function for packed documents, or None and why: it ..."""
    try:
        return importlib.import_module("flash_attn").flash_attn_varlen_func, ""
    except ModuleNotFoundError as error:
        if error.name == "flash_attn":
            return None, "is not installed"
        return None, f"can't be loaded: {first_line(error)}"
    except (ImportError, AttributeError, OSError) as error:  # built for another torch; FlashAttention 4's folder alone
        return None, f"can't be loaded: {first_line(error)}"


@cache
def attend_for(wanted: str, device: torch.device, dtype: torch.dtype, head: int) -> Attend:
    """What computes attention in this run, said in the log once.

    Args:
        wanted: `model.backbone.attention`.
        device: of the model.
        dtype: that it computes in.
        head: size of a head.

    Raises:
        UserError: what is wanted can't be done there.
    """
    capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else (0, 0)
    attend, told = choose(wanted, device.type, dtype, head, capability)
    rank_zero_info(f"attention of packed documents: {told}")
    return attend


def choose(
    wanted: str, device: str, dtype: torch.dtype, head: int, capability: tuple[int, int] = (8, 0)
) -> tuple[Attend, str]:
    """What computes attention on such a device, and that in words. `capability` is the GPU's."""
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
