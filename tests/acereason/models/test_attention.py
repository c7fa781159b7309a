"""Attention over packed documents, each way of computing it against one dense masked softmax in float64.

A CPU has no FlashAttention: where it is called, a plain implementation stands in for the kernel alone, beneath torch's
own `varlen_attn` or as flash-attn's function, so that shapes, arguments and the way back are the real ones.
"""

import sys
from types import ModuleType

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend
from torch.nn.attention.varlen import _varlen_attn, _varlen_attn_backward

from acereason.algorithm.batching import collate
from acereason.common.errors import UserError
from acereason.common.types import Sequence
from acereason.models import attention
from acereason.models.attention import (
    attend_for,
    by_documents,
    by_documents_on_gpu,
    choose,
    flash_attention,
    flash_attn,
    varlen,
)
from acereason.models.backbone import Backbone, load_config
from acereason.models.qwen import build_model
from tests.support.fakes import CONFIG, tiny_qwen

LENGTHS = [5, 1, 17, 8, 1]
HALF, FLOAT = torch.bfloat16, torch.float32


def dense(query: Tensor, key: Tensor, value: Tensor, starts: list[int], scale: float) -> Tensor:
    """[N, heads, d] of one softmax over all N keys, of which a query sees those of its document up to itself."""
    value = value.repeat_interleave(query.shape[1] // value.shape[1], 1).double()
    return torch.einsum("hqk,khd->qhd", chances(query, key, starts, scale), value)


def chances(query: Tensor, key: Tensor, starts: list[int], scale: float) -> Tensor:
    """[heads, N, N] what each query takes of each key's value."""
    place = torch.arange(len(query), device=query.device)
    document = torch.bucketize(place, torch.tensor(starts[1:], device=query.device), right=True)
    seen = (document[:, None] == document) & (place[:, None] >= place)
    key = key.repeat_interleave(query.shape[1] // key.shape[1], 1).double()
    return (torch.einsum("qhd,khd->hqk", query.double(), key) * scale).masked_fill(~seen, -torch.inf).softmax(-1)


def inputs(heads: int = 4, kv_heads: int = 2, size: int = 8, lengths: list[int] = LENGTHS, **kwargs) -> list[Tensor]:
    """query, key and value [1, heads, N, d], laid out as a model's are: [N, heads, d] in memory."""
    torch.manual_seed(0)
    rows = (torch.randn(1, sum(lengths), count, size, **kwargs) for count in (heads, kv_heads, kv_heads))
    return [tensor.transpose(1, 2).requires_grad_() for tensor in rows]


def starts_of(lengths: list[int]) -> list[int]:
    return [0, *torch.tensor(lengths).cumsum(0).tolist()]


def compare(attend, tensors: list[Tensor], lengths: list[int] = LENGTHS, scaling: float = 0.3, **tolerance) -> None:
    """Values, and gradients of a loss that weighs each of them, of `attend` and of the dense softmax."""
    starts = starts_of(lengths)
    cu_seqlens = torch.tensor(starts, dtype=torch.int32, device=tensors[0].device)
    ours = attend(*tensors, scaling=scaling, lengths=lengths, cu_seqlens=cu_seqlens, longest=max(lengths))
    theirs = dense(*(tensor[0].transpose(0, 1) for tensor in tensors), starts, scaling)[None]
    assert ours.shape == (1, sum(lengths), tensors[0].shape[1], tensors[0].shape[3])
    upstream = torch.randn(ours.shape, dtype=torch.double, device=ours.device)
    torch.testing.assert_close(ours.double(), theirs, **tolerance)
    gradients = [torch.autograd.grad((result * upstream).sum(), tensors) for result in (ours.double(), theirs)]
    for mine, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(mine.double(), wanted.double(), **tolerance)


ALONE = "varlen, torch's FlashAttention, on cuda in {}; flash-attn is not installed"
EXACT = {"atol": 1e-5, "rtol": 1e-5}
GROUPS = pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (4, 2), (6, 1)])


def plain_kernel(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, is_causal, scale):
    """What FlashAttention's kernels give, and what they ask for."""
    starts = cu_seq_q.tolist()
    assert cu_seq_q.dtype == cu_seq_k.dtype == torch.int32
    assert starts == cu_seq_k.tolist()
    assert max_q == max_k == max(end - start for start, end in zip(starts, starts[1:], strict=False))
    assert is_causal
    assert all(tensor.stride(-1) == 1 for tensor in (query, key, value))
    return dense(query, key, value, starts, scale).to(query.dtype)


def torchs_kernel(
    query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, is_causal=False, scale=None, window_size=None, *_
):
    out = plain_kernel(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, is_causal, scale)
    return out, torch.zeros(query.shape[1], len(query)), torch.zeros(2, dtype=torch.uint64)


def torchs_kernel_backward(
    grad, query, key, value, out, lse, cu_seq_q, cu_seq_k, max_q, max_k, is_causal, rng_state, scale=None, *_
):
    plain_kernel(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, is_causal, scale)  # asks for the same
    groups = query.shape[1] // key.shape[1]
    keys, values = (tensor.repeat_interleave(groups, 1).double() for tensor in (key, value))
    taken, grad = chances(query, key, cu_seq_q.tolist(), scale), grad.double()
    slope = torch.einsum("qhd,khd->hqk", grad, values)
    slope = taken * (slope - (taken * slope).sum(-1, keepdim=True)) * scale
    of_query = torch.einsum("hqk,khd->qhd", slope, keys)
    of_keys, of_values = torch.einsum("hqk,qhd->khd", slope, query.double()), torch.einsum("hqk,qhd->khd", taken, grad)
    summed = (tensor.unflatten(1, (-1, groups)).sum(2) for tensor in (of_keys, of_values))
    return tuple(tensor.to(query.dtype) for tensor in (of_query, *summed))


_varlen_attn.register_kernel("cpu", torchs_kernel)  # a CPU has none; no other test asks for it
_varlen_attn_backward.register_kernel("cpu", torchs_kernel_backward)


def flash_attn_varlen_func(
    q,
    k,
    v,
    cu_seqlens_q,
    cu_seqlens_k,
    max_seqlen_q,
    max_seqlen_k,
    dropout_p=0.0,
    softmax_scale=None,
    causal=False,
    window_size=(-1, -1),
):
    """The arguments of flash-attn 2.8."""
    assert dropout_p == 0
    assert window_size == (-1, -1)
    return plain_kernel(q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, causal, softmax_scale)


@pytest.fixture
def package(monkeypatch):
    """What `import flash_attn` finds."""

    def install(**contents) -> None:
        module = ModuleType("flash_attn")
        module.__dict__.update(contents)
        monkeypatch.setitem(sys.modules, "flash_attn", module)

    flash_attn.cache_clear()
    attend_for.cache_clear()
    yield install
    flash_attn.cache_clear()
    attend_for.cache_clear()


@GROUPS
def test_document_by_document(heads, kv_heads):
    compare(by_documents, inputs(heads, kv_heads), **EXACT)


@GROUPS
def test_on_a_gpu_document_by_document(heads, kv_heads, monkeypatch):
    """By whatever kernel: what is given to one that knows no heads that share a key."""
    monkeypatch.setattr(attention, "IN_FLOAT32", [SDPBackend.MATH])
    compare(by_documents_on_gpu, inputs(heads, kv_heads), **EXACT)


@GROUPS
def test_torchs_flash_attention_gets_what_it_asks_for(heads, kv_heads):
    compare(varlen, inputs(heads, kv_heads), **EXACT)


@GROUPS
def test_the_packages_flash_attention_gets_what_it_asks_for(heads, kv_heads, package):
    package(flash_attn_varlen_func=flash_attn_varlen_func)
    attend, _ = choose("auto", "cuda", HALF, 8)
    compare(attend, inputs(heads, kv_heads), **EXACT)


@pytest.mark.parametrize("lengths", [[1], [40], [1] * 7, [3, 2]])
def test_any_documents(lengths):
    for attend in (by_documents, varlen):
        compare(attend, inputs(lengths=lengths), lengths, **EXACT)


def test_torch_takes_grouped_heads_where_it_does_not_want_to_be_told(monkeypatch):
    """As torch 2.11 does: its function has no such argument."""
    seen = {}

    def older(
        query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, return_aux=None, scale=None, window_size=(-1, -1)
    ):
        seen["window"] = window_size
        return plain_kernel(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, window_size == (-1, 0), scale)

    monkeypatch.setattr(attention, "varlen_attn", older)
    monkeypatch.setattr(attention, "_GROUPED", {})
    compare(varlen, inputs(4, 2), **EXACT)
    assert seen["window"] == (-1, 0)


def documents_of(lengths: list[int]) -> list[Sequence]:
    torch.manual_seed(1)
    return [Sequence(torch.randint(260, (length,)).tolist(), 1, -1.0) for length in lengths]


def losses(model, lengths: list[int]) -> tuple[Tensor, Tensor]:
    """Log-probs of a micro batch, and the gradient of their sum."""
    model.zero_grad()
    loss, logprobs, _ = model.policy_loss(collate(documents_of(lengths)), 1.0, 64)
    loss.backward()
    return logprobs, torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_model_learns_the_same_by_all_at_once(monkeypatch, checkpointing):
    backbone = Backbone(config=CONFIG, tokenizer="bytes", gradient_checkpointing=checkpointing)
    model = build_model(load_config(None, backbone), None, backbone, seed=0)
    expected = losses(model, [9, 30, 2, 2, 21])
    monkeypatch.setattr("acereason.models.qwen.attend_for", lambda *_: varlen)
    for mine, theirs in zip(losses(model, [9, 30, 2, 2, 21]), expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("wanted", "device", "dtype", "attend", "told"),
    [
        ("auto", "cpu", FLOAT, by_documents, "documents, one by one, on cpu in float32"),
        ("auto", "cpu", HALF, by_documents, "documents, one by one, on cpu in bfloat16"),
        ("auto", "mps", FLOAT, by_documents, "documents, one by one, on mps in float32"),
        ("auto", "cuda", FLOAT, by_documents_on_gpu, "documents, one by one, on cuda in float32"),
        (
            "auto",
            "cuda",
            HALF,
            varlen,
            ALONE.format("bfloat16"),
        ),
        (
            "auto",
            "cuda",
            torch.float16,
            varlen,
            ALONE.format("float16"),
        ),
        ("varlen", "cuda", HALF, varlen, "varlen, torch's FlashAttention, on cuda in bfloat16"),
        ("documents", "cuda", HALF, by_documents_on_gpu, "documents, one by one, on cuda in bfloat16"),
    ],
)
def test_the_choice_goes_by_device_and_dtype(package, monkeypatch, wanted, device, dtype, attend, told):
    monkeypatch.setitem(sys.modules, "flash_attn", None)  # not installed, wherever this runs
    chosen, words = choose(wanted, device, dtype, head=64)
    assert chosen is attend
    assert words.startswith(told)


@pytest.mark.parametrize(
    ("device", "dtype", "wanted", "attend"),
    [
        ("cuda", HALF, "auto", flash_attention),
        ("cuda", HALF, "flash_attention_2", flash_attention),
        ("cuda", HALF, "varlen", varlen),
        ("cuda", FLOAT, "auto", by_documents_on_gpu),
        ("cpu", FLOAT, "auto", by_documents),
        ("cpu", HALF, "auto", by_documents),
    ],
)
def test_flash_attn_is_taken_only_where_it_can_compute(package, device, dtype, wanted, attend):
    package(flash_attn_varlen_func=flash_attn_varlen_func)
    chosen, _ = choose(wanted, device, dtype, head=64)
    assert getattr(chosen, "func", chosen) is attend


def test_a_model_on_a_cpu_learns_where_flash_attn_is_installed(package):
    """It used to be taken because it was there, and it has no float32 and no CPU."""

    def nothing_for_a_cpu(*args, **kwargs):
        raise AssertionError("flash-attn on a CPU")

    package(flash_attn_varlen_func=nothing_for_a_cpu)
    logprobs, _ = losses(tiny_qwen(), [9, 30])
    assert torch.isfinite(logprobs).all()


@pytest.mark.parametrize(
    "broken",
    [
        "ImportError('libtorch.so: undefined symbol: _ZN3c10')",  # built for another torch
        "ModuleNotFoundError('No module flash_attn_2_cuda', name='flash_attn_2_cuda')",  # built without kernels
        "OSError('libcudart.so.12: cannot open shared object file')",
    ],
)
def test_a_flash_attn_that_can_not_be_loaded_is_passed_over_and_named(tmp_path, monkeypatch, package, broken):
    (tmp_path / "flash_attn.py").write_text(f"raise {broken}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "flash_attn", raising=False)
    chosen, words = choose("auto", "cuda", HALF, head=64)
    assert chosen is varlen
    assert f"; flash-attn can't be loaded: {broken.split(chr(39))[1]}" in words
    with pytest.raises(UserError, match=r"^model\.backbone\.attention: flash_attention_2 needs .*, which can't be lo"):
        choose("flash_attention_2", "cuda", HALF, head=64)


def test_a_folder_of_flash_attention_4_is_not_flash_attn(package):
    package()  # the same name, and none of its functions
    chosen, words = choose("auto", "cuda", HALF, head=64)
    assert chosen is varlen
    assert "flash-attn can't be loaded: module 'flash_attn' has no attribute" in words


@pytest.mark.parametrize(
    ("wanted", "device", "dtype", "head", "capability", "message"),
    [
        (
            "flash_attention_2",
            "cpu",
            FLOAT,
            64,
            (0, 0),
            "attention: flash_attention_2 is for GPUs and bfloat16",
        ),
        ("varlen", "cpu", HALF, 64, (0, 0), "attention: varlen is for GPUs and bfloat16, not on cpu in bfloat16"),
        ("varlen", "cuda", FLOAT, 64, (9, 0), "attention: varlen is for GPUs and bfloat16, not on cuda in float32"),
        ("auto", "cuda", HALF, 64, (7, 5), r"compute_dtype: bfloat16 needs .* this one has 7\.5; set float32"),
        ("documents", "cuda", HALF, 64, (7, 0), r"compute_dtype: bfloat16 needs .* this one has 7\.0"),
        ("auto", "cuda", HALF, 36, (9, 0), "config: heads of 36; on a GPU their size must be a multiple of 8"),
        ("auto", "cuda", FLOAT, 264, (9, 0), "config: heads of 264; on a GPU their size must be .* at most 256"),
    ],
)
def test_what_can_not_be_computed_names_its_key(wanted, device, dtype, head, capability, message):
    with pytest.raises(UserError, match=rf"^model\.backbone\.{message}"):
        choose(wanted, device, dtype, head, capability)


def test_the_choice_is_said_once(package, caplog):
    model = tiny_qwen()
    with caplog.at_level("INFO"):
        for _ in range(3):
            losses(model, [4, 5])
    assert caplog.messages == ["attention of packed documents: documents, one by one, on cpu in float32"]


@pytest.mark.parametrize("heads", [{}, {"num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 36}])
def test_on_a_cpu_heads_have_any_size(heads):
    logprobs, _ = losses(tiny_qwen(**heads), [9, 30])
    assert torch.isfinite(logprobs).all()


class Recompilations:
    """A backend that counts what dynamo gives it and computes it as it is."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, graph, example_inputs):
        self.count += 1
        return graph.forward


@pytest.mark.slow
@pytest.mark.parametrize("attend", [by_documents, varlen])
def test_a_compiled_layer_serves_any_number_of_documents(monkeypatch, attend):
    """Packs of 2 to 11 documents: dynamo's limit is 8 versions of a function."""
    monkeypatch.setattr("acereason.models.qwen.attend_for", lambda *_: attend)
    model, compiled, seen = tiny_qwen(), tiny_qwen(), Recompilations()
    for layer in compiled.model.layers:
        layer.compile(dynamic=True, backend=seen)
    counts = []
    for number in range(2, 12):
        lengths = [3 + (7 * place + number) % 5 for place in range(number)]
        for mine, theirs in zip(losses(compiled, lengths), losses(model, lengths), strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)
        counts.append(seen.count)
    torch._dynamo.reset()
    assert counts[-1] == counts[1], counts


ROUNDED = {"atol": 0.03, "rtol": 0.03}
"""bfloat16 has 8 bits: values near 1 are off by up to 0.004, sums of them by a few times that."""


@pytest.mark.gpu
@GROUPS
@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("attend", [varlen, by_documents_on_gpu])
def test_the_real_kernels(attend, heads, kv_heads, size):
    tensors = inputs(heads, kv_heads, size, [5, 1, 700, 129, 1], device="cuda", dtype=HALF)
    compare(attend, tensors, [5, 1, 700, 129, 1], size**-0.5, **ROUNDED)


@pytest.mark.gpu
@GROUPS
def test_the_packages_real_kernel(heads, kv_heads):
    kernel, missing = flash_attn()
    if kernel is None:
        pytest.skip(f"flash-attn {missing}")
    attend, _ = choose("flash_attention_2", "cuda", HALF, 64)
    compare(attend, inputs(heads, kv_heads, 64, device="cuda", dtype=HALF), scaling=0.125, **ROUNDED)


@pytest.mark.gpu
@GROUPS
def test_float32_on_a_gpu(heads, kv_heads):
    tensors = inputs(heads, kv_heads, 64, [5, 1, 700], device="cuda")
    compare(by_documents_on_gpu, tensors, [5, 1, 700], 0.125, atol=2e-3, rtol=2e-3)  # products may be TF32


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("attend", "dtype"), [(by_documents_on_gpu, FLOAT), (by_documents_on_gpu, HALF), (varlen, HALF)]
)
def test_memory_is_linear_in_a_documents_length(attend, dtype):
    """32K tokens: heads x N^2 would be 120 GB in float32."""
    length = 32768
    tensors = inputs(28, 4, 128, [length], device="cuda", dtype=dtype)
    documents = {"lengths": [length], "cu_seqlens": torch.tensor([0, length], dtype=torch.int32, device="cuda")}
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    attend(*tensors, scaling=0.1, longest=length, **documents).float().sum().backward()
    assert torch.cuda.max_memory_allocated() - before < 16 * 28 * 128 * length * 4


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [FLOAT, HALF])
def test_a_model_on_a_gpu_learns_what_it_learns_on_a_cpu(dtype, package):
    lengths = [9, 30, 2, 2, 21]
    expected = losses(tiny_qwen(), lengths)
    model, part = tiny_qwen().to("cuda", dtype), collate(documents_of(lengths), "cuda")
    loss, logprobs, _ = model.policy_loss(part, 1.0, 64)
    loss.backward()
    gradient = torch.cat([parameter.grad.flatten().float().cpu() for parameter in model.parameters()])
    near = 1e-3 if dtype == FLOAT else 0.05
    assert (logprobs.cpu() - expected[0]).abs().mean() < near
    assert (gradient - expected[1]).norm() < near * expected[1].norm()
