"""Tensors over ranks, and the end of all ranks by one collective. Each function is the identity in a single process."""

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from acereason.processes import signals
from acereason.processes.distributed import group


def local(tensor: Tensor) -> Tensor:
    """Return this rank's shard of a DTensor, and any other tensor as it is."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def total(values: Tensor) -> Tensor:
    """Sum the values elementwise over ranks, in place."""
    if ranks := group():
        ranks.all_reduce(values)
    return values


def end_if_interrupted(device: torch.device) -> None:
    """Raise Interrupted on every rank if any of them has had a signal; from now on signals wait for this call.

    Every rank must call it, at the same places. Until all ranks have come to the first call, a rank may leave alone.
    """
    # why: a rank that left between two calls would leave the others waiting in a collective
    signals.hold()
    number = torch.tensor(signals.received(), device=device)
    if ranks := group():
        ranks.all_reduce(number, ranks.ReduceOp.MAX)
    if int(number):
        raise signals.Interrupted(int(number), agreed=True)
