"""This module digests all that samples depend on, so that no result mixes two models or two settings."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from acereason.common.errors import UserError
from acereason.common.files import flat, read_json, write_json
from acereason.common.types import Problem
from acereason.processes.distributed import local, total
from acereason.rewards.code.compressed import tests_of

Weights = Iterable[tuple[str, Tensor]]


class WeightsDigest:
    """Digests weights while they are streamed to an engine: their names, shapes, dtypes and every byte."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def passing(self, weights: Weights) -> Iterator[tuple[str, Tensor]]:
        """Yield the weights unchanged, and take each into the digest."""
        for name, tensor in weights:
            self._hash.update(f"{name} {[*tensor.shape]} {tensor.dtype}".encode())
            # why: viewed as bytes below, since numpy has no bfloat16
            flat = tensor.detach().cpu().contiguous().flatten()
            self._hash.update(flat.view(torch.uint8).numpy().data)
            yield name, tensor

    def value(self) -> str:
        """Return the digest of the weights so far, as 16 hexadecimal digits."""
        return self._hash.hexdigest()[:16]


def checksum(tensors: Iterable[Tensor]) -> str:
    """Return a digest of float32 weights that is the same however many ranks share them.

    Args:
        tensors: this rank's shards, or whole tensors in a single process.
    """
    sums = []
    for tensor in tensors:
        # why: integer sums of the bits don't depend on how ranks cut a tensor, unlike a hash of bytes or a sum of
        # floats, and are taken where the weights are, in the time of reading them
        bits = local(tensor.detach()).contiguous().view(torch.int32)
        # why: squares too: a sum alone stays the same when two values trade bits
        sums += [bits.sum(dtype=torch.int64), (bits * bits).sum(dtype=torch.int64)]
    return digest(total(torch.stack(sums)).tolist())


def digest(value: Any) -> str:
    """Return the digest of plain data, as 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def problem_digest(problem: Problem) -> str:
    """Return the digest of a problem's prompt and ground truth."""
    tests = repr(tests_of(problem) if problem.tests else None)
    return digest([problem.prompt_ids, problem.answer, problem.alternatives, tests])


def accept(path: Path, fingerprint: dict[str, Any], is_writer: bool) -> None:
    """Write the fingerprint with the first samples; afterwards refuse a different one.

    Args:
        path: fingerprint.json beside the samples.
        fingerprint: nested plain data that samples depend on.
        is_writer: whether this rank writes; the others only compare.

    Raises:
        UserError: the folder's samples are of another model or setting; it names which.
    """
    if path.exists():
        kept = read_json(path)
        before = flat(kept)
        for key, value in flat(fingerprint).items():
            # why: a key that is not there is a benchmark's that joins, or one of a later release
            if key in before and before[key] != value:
                raise UserError(
                    f"{path.parent}: holds samples of another {key}: {before[key]}, now {value}; give another "
                    "folder (--trainer.default_root_dir), or delete it"
                )
        fingerprint = _merged(kept, fingerprint)
    if is_writer:
        write_json(path, fingerprint)


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    # why: the settings of benchmarks evaluated before stay, since their samples do
    return {**old, **new, "benchmarks": {**old["benchmarks"], **new["benchmarks"]}}
