"""Checks of the weights that go from the trainer to an engine: none missing, twice, misshapen or not finite.

An engine may be given weights of another dtype than its own. It converts them where it copies them, and checks there,
by `require_finite`, that they are finite in its dtype; all others are checked on their way, by `checked`.
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from acereason.models.family import QwenConfig, model_class

Weights = Iterable[tuple[str, Tensor]]
"""(Hugging Face name, full tensor) pairs, made one at a time: under FSDP each is a gather."""


def shapes_of(config: QwenConfig) -> dict[str, list[int]]:
    """Return {name: shape} of every parameter of the model, tied ones once. Allocates nothing."""
    with torch.device("meta"):
        return {name: [*parameter.shape] for name, parameter in model_class(config)(config).named_parameters()}


def checked(weights: Weights, shapes: dict[str, list[int]], dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    """Pass the weights on, and raise a RuntimeError that names the parameter as soon as one is wrong. Those of another
    dtype than the engine's, `dtype`, may still not be finite.

    All ranks see the same full tensors, so that they raise at the same one.
    """
    # why: engines load whatever comes: vLLM keeps the old value of a parameter that never came, with a line in its log
    missing = dict(shapes)
    for name, tensor in weights:
        if name not in missing:
            raise RuntimeError(f"weight sync: the engine has no parameter {name}, or got it twice")
        if [*tensor.shape] != missing[name]:
            raise RuntimeError(f"weight sync: {name} is {[*tensor.shape]}, the engine's is {missing[name]}")
        if tensor.dtype == dtype:
            require_finite([(name, tensor)], tensor)
        del missing[name]
        yield name, tensor
    if missing:
        raise RuntimeError(f"weight sync: {len(missing)} parameters never came, first {next(iter(missing))}")


def copy_finite(name: str, target: Tensor, source: Tensor) -> None:
    """Copy `source`, converted, to `target`, and raise a RuntimeError if that has values that are not finite."""
    target.copy_(source)
    require_finite([(name, target)], target)


def require_finite(named: Iterable[tuple[str, Tensor]], together: Tensor) -> None:
    """Raise a RuntimeError that names the first of the tensors that has values that are not finite.

    Args:
        named: the tensors.
        together: memory that all of them lie in.
    """
    # why: the sum takes a tenth of the time of a look at each value. It is finite only where all of them are; that of
    # finite values may overflow, so that they are looked at then
    if together.sum().isfinite():
        return
    for name, tensor in named:
        if bad := tensor.numel() - int(tensor.isfinite().sum()):
            raise RuntimeError(f"weight sync: {name} has {bad:,} of {tensor.numel():,} values that are not finite")


def in_buckets(weights: Weights, capacity: int) -> Iterator[list[tuple[str, Tensor]]]:
    """Yield lists of consecutive weights of at most `capacity` bytes; a larger weight comes alone."""
    bucket: list[tuple[str, Tensor]] = []
    size = 0
    for name, tensor in weights:
        if bucket and size + tensor.nbytes > capacity:
            yield bucket
            bucket, size = [], 0
        bucket.append((name, tensor))
        size += tensor.nbytes
    if bucket:
        yield bucket
