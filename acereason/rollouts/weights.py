"""Checks of the weights that go from the trainer to an engine: none missing, twice, misshapen or not finite."""

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


def checked(weights: Weights, shapes: dict[str, list[int]]) -> Iterator[tuple[str, Tensor]]:
    """Pass the weights on, and raise a RuntimeError that names the parameter as soon as one is wrong.

    All ranks see the same full tensors, so that they raise at the same one.
    """
    # why: engines load whatever comes: vLLM keeps the old value of a parameter that never came, with a line in its log
    missing = dict(shapes)
    for name, tensor in weights:
        if name not in missing:
            raise RuntimeError(f"weight sync: the engine has no parameter {name}, or got it twice")
        if [*tensor.shape] != missing[name]:
            raise RuntimeError(f"weight sync: {name} is {[*tensor.shape]}, the engine's is {missing[name]}")
        if not tensor.isfinite().all():
            bad = tensor.numel() - int(tensor.isfinite().sum())
            raise RuntimeError(f"weight sync: {name} has {bad:,} of {tensor.numel():,} values that are not finite")
        del missing[name]
        yield name, tensor
    if missing:
        raise RuntimeError(f"weight sync: {len(missing)} parameters never came, first {next(iter(missing))}")


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
