"""Where each of the trainer's weights goes in vLLM's model on a CPU, learnt once from vLLM's own loaders.

vLLM's layer-wise reload allocates each layer anew at every sync, loads into it, packs it for its matrix products and
copies the rest: several passes over fresh memory. A plan goes without them: a weight is copied once, converted on its
way, to where the engine reads it, or into memory that is used again for the next layer, from which vLLM packs it.
"""

import ctypes
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, Parameter
from torch.utils._python_dispatch import TorchDispatchMode
from vllm.model_executor.layers.quantization.base_config import QuantizeMethodBase
from vllm.model_executor.model_loader.reload.layerwise import (
    _get_original_loader,
    _place_kernel_tensors,
    get_layerwise_info,
)
from vllm.model_executor.model_loader.reload.meta import restore_layer_on_meta
from vllm.model_executor.model_loader.reload.utils import get_layer_params_buffers, get_layer_tensors

from acereason.rollouts.weights import copy_finite, require_finite

_LIBRARY = ctypes.CDLL(None)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's `mallopt`."""
_LARGEST = 2**31 - 1
_USUAL = 2**25
"""To which glibc itself raises the threshold of mappings, bytes."""


@dataclass(frozen=True)
class Place:
    """Where vLLM's loaders copy a weight to: a range of a layer's parameter."""

    layer: Module
    parameter: str
    whole: torch.Size
    """Of the parameter, as the loaders see it."""
    size: torch.Size
    stride: tuple[int, ...]
    offset: int

    @property
    def live(self) -> Tensor:
        """The parameter that the engine computes with."""
        return getattr(self.layer, self.parameter).data

    @property
    def packed(self) -> bool:
        """Whether vLLM has the parameter in a form of its own alone, and has left an empty one in the layer."""
        return self.live.numel() == 0

    def of(self, parameter: Tensor) -> Tensor:
        """The range of a tensor that has the parameter's size."""
        return parameter.as_strided(self.size, self.stride, parameter.storage_offset() + self.offset)


class Plan:
    """Writes weights of Hugging Face names into vLLM's model.

    Args:
        model: vLLM's, whole in this process, after an update by vLLM's own loaders.
        shapes: of all weights, by name.
        dtype: the engine's.

    Raises:
        RuntimeError: the loaders do something else than copy each weight to a place of its own.
    """

    def __init__(self, model: Module, shapes: dict[str, torch.Size], dtype: torch.dtype) -> None:
        self.dtype, self.places = dtype, learnt(model, shapes, dtype)
        _check(self.places)
        # why: used again by every layer of its size: fresh memory costs as much as the copy into it
        self.spare: dict[int, Tensor] = {}
        self.begin()

    def begin(self) -> None:
        """Begin an update; what is left of one that was broken off is forgotten."""
        self.filling: dict[Module, Tensor] = {}
        self.arrived: dict[Module, list[tuple[str, Tensor]]] = {}

    def homes(self) -> dict[str, Tensor]:
        """Memory of the weights that lie in the engine as they come, by name."""
        found = {name: place.of(place.live) for name, place in self.places.items() if not place.packed}
        return {name: home for name, home in found.items() if home.is_contiguous() and home.dtype == self.dtype}

    def write(self, name: str, weight: Tensor) -> None:
        """Write a weight; a layer is packed with the last of its weights. One of another dtype than the engine's is
        converted, and must be finite then."""
        place = self.places[name]
        if place.packed:
            self._stage(name, place, weight)
        elif place.live.dtype != self.dtype:  # why: vLLM has rounded some biases, and widened them again
            place.of(place.live).copy_(self._copied(name, torch.empty_like(weight, dtype=self.dtype), weight))
        else:
            self._copied(name, place.of(place.live), weight)

    def _copied(self, name: str, target: Tensor, weight: Tensor) -> Tensor:
        if weight.dtype != target.dtype:
            copy_finite(name, target, weight)
        elif weight.data_ptr() != target.data_ptr():
            target.copy_(weight)
        return target

    def _stage(self, name: str, place: Place, weight: Tensor) -> None:
        layer, total = place.layer, place.whole.numel()
        if weight.shape == place.whole and weight.dtype == self.dtype:
            self._pack(layer, weight.contiguous())
            return
        if layer not in self.filling:
            spare = self.spare.pop(total, None)
            self.filling[layer] = torch.empty(total, dtype=self.dtype) if spare is None else spare
        arrived = self.arrived.setdefault(layer, [])
        arrived.append((name, place.of(self.filling[layer]).copy_(weight)))
        if sum(tensor.numel() for _, tensor in arrived) == total:
            whole = self.spare[total] = self.filling.pop(layer)
            # why: of the whole layer at once: threads that wait for each other cost more than the sum
            if weight.dtype != self.dtype:
                require_finite(arrived, whole)
            self._pack(layer, whole.view(place.whole))

    def _pack(self, layer: Any, weight: Tensor) -> None:
        layer.weight = Parameter(weight, requires_grad=False)
        pack(layer)


def pack(layer: Any) -> None:
    """Let vLLM pack a layer's weight anew, into the memory of the one before."""
    # why: glibc would give the memory back and get it page by page again, which takes as long as the packing
    _malloc(threshold=_LARGEST, trim=_LARGEST)
    layer.cpu_linear = None
    layer.quant_method.process_weights_after_loading(layer)
    _malloc(threshold=_USUAL, trim=2 * _USUAL)


def _malloc(threshold: int, trim: int) -> None:
    """Set from how many bytes on an allocation is a mapping of its own, and how much free memory is kept."""
    if hasattr(_LIBRARY, "mallopt"):  # why: other C libraries have none
        _LIBRARY.mallopt(_M_MMAP_THRESHOLD, threshold)
        _LIBRARY.mallopt(_M_TRIM_THRESHOLD, trim)


class _Trace(TorchDispatchMode):
    """Notes which copies are asked for, and makes none."""

    def __init__(self) -> None:
        super().__init__()
        self.copies: list[tuple[Tensor, Tensor]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.copy_.default:
            self.copies.append((args[0], args[1]))
            return args[0]
        # why: padding is 0 since the update by vLLM's own loaders, and no weight reaches it
        return args[0] if func is torch.ops.aten.fill_.Scalar else func(*args, **(kwargs or {}))


def learnt(model: Module, shapes: dict[str, torch.Size], dtype: torch.dtype) -> dict[str, Place]:
    """Return where vLLM's loaders copy each weight to, found out on tensors without memory."""
    weights = {name: torch.empty(shape, dtype=dtype, device="meta") for name, shape in shapes.items()}
    with _as_loaders_see_it(model), _Trace() as trace:
        load: Any = model.load_weights
        load(iter(weights.items()))
        owners = {
            _memory(tensor): (layer, parameter, tensor.shape)
            for layer in model.modules()
            for parameter, tensor in get_layer_params_buffers(layer)[0].items()
        }
        targets = {_memory(source): target for target, source in trace.copies}
        if len(targets) != len(trace.copies) or targets.keys() != {_memory(weight) for weight in weights.values()}:
            raise RuntimeError("vLLM's loaders do not copy each weight once")
        found = {name: targets[_memory(weight)] for name, weight in weights.items()}
        return {
            name: Place(*owners[_memory(target)], target.shape, target.stride(), target.storage_offset())
            for name, target in found.items()
        }


@contextmanager
def _as_loaders_see_it(model: Module) -> Iterator[None]:
    """Give each layer the parameters, without memory, that it had before vLLM processed them."""
    for layer in model.modules():
        info = get_layerwise_info(layer)
        info.kernel_tensors = get_layer_params_buffers(layer)
        info.kernel_non_persistent_buffers = set(layer._non_persistent_buffers_set)
        restore_layer_on_meta(layer, info)
        for tensor in get_layer_tensors(layer).values():
            # why: the reload before has left loaders that put weights aside until their layer is whole
            tensor.weight_loader = _get_original_loader(tensor)
    try:
        yield
    finally:
        for layer in model.modules():
            _place_kernel_tensors(layer, get_layerwise_info(layer))
            get_layerwise_info(layer).reset()


def _check(places: dict[str, Place]) -> None:
    filled: Counter[tuple[Module, str]] = Counter()
    for place in places.values():
        filled[place.layer, place.parameter] += place.size.numel()
    for name, place in places.items():
        method, owner = getattr(place.layer, "quant_method", None), (place.layer, place.parameter)
        processed = isinstance(method, QuantizeMethodBase) and place.parameter == "weight"
        if place.packed and not (processed and filled[owner] == place.whole.numel()):
            raise RuntimeError(f"vLLM packs {name} in a way of its own")
        if not place.packed and place.live.shape != place.whole:
            raise RuntimeError(f"vLLM computes with another shape of {name} than it loads")


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
