"""Kernels that are chosen here, and attention and loss head beside the plain ones: equality, time, memory."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import torch
from torch import Tensor

from acereason.algorithm.batching import MicroBatch, collate
from acereason.common.types import Sequence
from acereason.models.backbone import Backbone, load_config
from acereason.models.layer import attended
from acereason.models.qwen import Qwen, build_model
from benchmarks import loss_head
from benchmarks.gpu.settings import Settings, Tell
from benchmarks.meter import Cost, cost
from benchmarks.report import Row

DTYPES = ("float32", "bfloat16")
EQUAL = {"float32": 1e-4, "bfloat16": 3e-2}
"""Relative difference (of norms) from the plain computation in float32 that rounding explains."""
REFERENCE_TOKENS = 2048
"""Of a pack that is compared with a mask over all of it in float32."""
ROUNDS = 5


def attention(settings: Settings, tell: Tell) -> None:
    """What is chosen for each dtype, beside one mask over the pack and a call a document."""
    for dtype in DTYPES:
        tell(Row(f"chosen for {dtype}", chosen(settings, dtype)))
        for name, lengths in packs(min(settings.size.tokens, REFERENCE_TOKENS)).items():
            _equality(settings, dtype, name, lengths, tell)
    for name, lengths in packs(settings.size.tokens).items():
        _speed(settings, name, lengths, tell)


def chosen(settings: Settings, dtype: str) -> str:
    """The attention that the trainer takes on this device for a dtype."""
    return Attention(settings, dtype, [4]).chosen


def packs(tokens: int) -> dict[str, list[int]]:
    """Documents' lengths: half of the pack, a quarter, and so on; and many short ones."""
    tail = [tokens >> shift for shift in range(1, 6)]
    return {"long-tailed documents": [*tail, tokens - sum(tail)], "documents of 64": [64] * (tokens // 64)}


class Attention:
    """One attention layer of the model, given what the trainer's forward pass gives it.

    Args:
        settings: whose model and device it is.
        dtype: of weights and hidden states.
        lengths: of the pack's documents.
    """

    def __init__(self, settings: Settings, dtype: str, lengths: list[int]) -> None:
        self.device, config = settings.device, settings.size.config | {"num_hidden_layers": 1, "vocab_size": 256}
        backbone = Backbone(config=config, tokenizer="bytes")
        model = build_model(load_config(None, backbone), None, backbone, seed=0)
        self.model: Qwen = in_dtype(model.to(self.device), dtype)
        self.layer: Any = self.model.model.layers[0].self_attn
        generator = torch.Generator().manual_seed(1)
        for parameter in self.layer.parameters():  # larger than at initialization: attention that is not even
            values = torch.randn(parameter.shape, generator=generator) / config["hidden_size"] ** 0.5
            parameter.data.copy_(values)
        self.batch, self.arguments = _batch(lengths, self.device), {}
        hook = self.model.model.layers[0].register_forward_pre_hook(self._keep, with_kwargs=True)
        self.model.token_logprobs(self.batch, 1.0, 64)
        hook.remove()
        self.chosen = attention_of(self.model, self.arguments)
        hidden = torch.randn(1, sum(lengths), config["hidden_size"], generator=generator)
        self.hidden = hidden.to(self.device, getattr(torch, dtype))

    def _keep(self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.arguments = kwargs

    def run(self, **changes: Any) -> tuple[Tensor, Tensor]:
        """Output and gradient of the input, forward and backward, as the trainer has it but for some arguments."""
        documents = self.arguments | changes
        rotation = documents.pop("position_embeddings")
        return self._both(lambda hidden: attended(self.layer, hidden, rotation, documents))

    def masked(self, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The same with one mask [1, 1, N, N] over the pack, by transformers' own way."""
        arguments = self.arguments | {"attention_mask": mask}
        with _as(self.model, "sdpa"):
            return self._both(lambda hidden: self.layer(hidden_states=hidden, **arguments)[0])

    def by_documents(self) -> tuple[Tensor, Tensor]:
        """The same with a call for each document."""
        return self.run(attend=None)

    def _both(self, attention: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        hidden = self.hidden.detach().requires_grad_()
        output = attention(hidden)
        output.backward(torch.ones_like(output))
        self.layer.zero_grad()
        return output.detach(), hidden.grad

    def mask(self) -> Tensor:
        """Which key each query sees."""
        lengths = torch.tensor(self.batch.document_lengths, device=self.device)
        document = torch.repeat_interleave(torch.arange(len(lengths), device=self.device), lengths)
        return (document[:, None] == document).tril()[None, None]


def in_dtype(model: Qwen, dtype: str) -> Qwen:
    """Its parameters alone, as under FSDP: buffers of the rotary embedding stay as they are."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(getattr(torch, dtype))
    return model


def attention_of(model: Qwen, arguments: dict[str, Any]) -> str:
    """The attention that a forward pass took, by the arguments that its layers were given."""
    attend = arguments.get("attend")
    name = getattr(attend, "func", attend)
    return name.__name__ if attend else str(model.config._attn_implementation)


@contextmanager
def _as(model: Qwen, implementation: str) -> Iterator[None]:
    """Let the model attend by another implementation."""
    before, model.config._attn_implementation = model.config._attn_implementation, implementation
    try:
        yield
    finally:
        model.config._attn_implementation = before


def _batch(lengths: list[int], device: str) -> MicroBatch:
    rng = random.Random(0)
    rows = [Sequence([rng.randrange(256) for _ in range(length)], 1, 1.0) for length in lengths]
    return collate(rows, device)


def _equality(settings: Settings, dtype: str, name: str, lengths: list[int], tell: Tell) -> None:
    ours, plain = Attention(settings, dtype, lengths), Attention(settings, "float32", lengths)
    found, wanted = ours.run(), plain.masked(plain.mask())
    for what, value, reference in zip(("output", "gradient"), found, wanted, strict=True):
        row = f"{dtype}, {ours.chosen}, {name}: {what}'s distance from a mask in float32"
        tell(Row(row, distance(value, reference), "relative", at_most=EQUAL[dtype]))


def distance(value: Tensor, reference: Tensor) -> float:
    """Norm of the difference over the norm of the reference."""
    return ((value.float() - reference.float()).norm() / reference.float().norm()).item()


def _speed(settings: Settings, name: str, lengths: list[int], tell: Tell) -> None:
    """In bfloat16, forward and backward of one layer's attention."""
    layer = Attention(settings, "bfloat16", lengths)
    mask = layer.mask()
    ways = {layer.chosen: layer.run, "a call a document": layer.by_documents, "one mask": lambda: layer.masked(mask)}
    label = f"{sum(lengths):,} tokens, {len(lengths)} {name}"
    _compare(label, ways, layer.chosen, "one mask", settings.device, tell)


def head(settings: Settings, tell: Tell) -> None:
    """The loss head beside all logits in memory, and others."""
    for dtype in DTYPES:
        inputs = _head_inputs(settings, dtype)
        exact = _gradients(
            loss_head.all_logits, *(tensor.float() if i < 2 else tensor for i, tensor in enumerate(inputs))
        )
        for what, value, reference in zip(
            ("loss", "hidden's gradient", "weight's gradient"), _gradients(loss_head.ours, *inputs), exact, strict=True
        ):
            row = f"{dtype}, {what}'s distance from all logits in float32"
            tell(Row(row, distance(value, reference), "relative", at_most=EQUAL[dtype]))
        del exact
        ways = {name: _way(loss, inputs) for name, loss in loss_head.METHODS.items()}
        _compare(f"{dtype}, {len(inputs[0]):,} tokens", ways, "ours", "all logits", settings.device, tell)


def _way(loss: loss_head.Loss, inputs: tuple[Tensor, ...]) -> Callable[[], Any]:
    return lambda: _gradients(loss, *inputs)


def _gradients(
    loss: loss_head.Loss, hidden: Tensor, weight: Tensor, targets: Tensor, weights: Tensor
) -> tuple[Tensor, ...]:
    hidden, weight = hidden.detach().requires_grad_(), weight.detach().requires_grad_()
    value = loss(hidden, weight, targets, weights)
    value.backward()
    return value.detach(), hidden.grad, weight.grad


def _head_inputs(settings: Settings, dtype: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    size, config, device = settings.size, settings.size.config, settings.device
    torch.manual_seed(0)
    hidden = torch.randn(size.head_tokens, config["hidden_size"], device=device)
    weight = torch.randn(config["vocab_size"], config["hidden_size"], device=device).mul_(0.05)
    targets = torch.randint(config["vocab_size"], (size.head_tokens,), device=device)
    hidden, weight = (tensor.to(getattr(torch, dtype)) for tensor in (hidden, weight))
    return hidden, weight, targets, torch.randn(size.head_tokens, device=device)


def _compare(label: str, ways: dict[str, Callable[[], Any]], ours: str, plain: str, device: str, tell: Tell) -> None:
    """Rows of time and memory, and of ours beside the plain way; the ways take turns after a round that warms up."""
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for round_ in range(1 + ROUNDS):
        for name, way in ways.items():
            spent = cost(way, device)
            spent.result = None
            costs[name] += [spent] if round_ else []
    seconds = {name: median(spent.seconds for spent in found) for name, found in costs.items()}
    peaks = {name: max(spent.bytes for spent in found) for name, found in costs.items()}
    for name in ways:
        tell(Row(f"{label}, {name}: forward and backward", 1000 * seconds[name], "ms"))
        tell(Row(f"{label}, {name}: peak memory", peaks[name] / 2**20, "MiB"))
    tell(Row(f"{label}, {ours} / {plain}: time", seconds[ours] / seconds[plain], "ratio"))
    if peaks[plain] > 0:
        tell(Row(f"{label}, {ours} / {plain}: peak memory", peaks[ours] / peaks[plain], "ratio"))
