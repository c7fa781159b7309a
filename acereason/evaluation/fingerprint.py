"""What samples depend on, so that no result mixes two models or two settings."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from acereason.distributed import local, total
from acereason.errors import UserError
from acereason.files import flat, read_json, write_json
from acereason.rewards.kept import tests_of
from acereason.types import Problem

Weights = Iterable[tuple[str, Tensor]]


class WeightsDigest:
    """A digest of weights on their way to somewhere: of names, shapes, dtypes and every byte."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def passing(self, weights: Weights) -> Iterator[tuple[str, Tensor]]:
        """The weights themselves."""
        for name, tensor in weights:
            self._hash.update(f"{name} {[*tensor.shape]} {tensor.dtype}".encode())
            flat = tensor.detach().cpu().contiguous().flatten()
            self._hash.update(flat.view(torch.uint8).numpy().data)
            yield name, tensor

    def value(self) -> str:
        """Of all that have passed."""
        return self._hash.hexdigest()[:16]


def checksum(tensors: Iterable[Tensor]) -> str:
    """Of float32 weights, the same however many ranks share them: each tensor's bits, and their squares, summed where
    they are, which takes no longer than reading them."""
    sums = []
    for tensor in tensors:
        bits = local(tensor.detach()).contiguous().view(torch.int32)
        sums += [bits.sum(dtype=torch.int64), (bits * bits).sum(dtype=torch.int64)]
    return digest(total(torch.stack(sums)).tolist())


def digest(value: Any) -> str:
    """Of plain data."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def problem_digest(problem: Problem) -> str:
    """Of what a response answers and is judged by."""
    tests = repr(tests_of(problem) if problem.tests else None)
    return digest([problem.prompt_ids, problem.answer, problem.alternatives, tests])


def accept(path: Path, fingerprint: dict[str, Any], is_writer: bool) -> None:
    """Keep the fingerprint with the first samples; afterwards refuse another one.

    Raises:
        UserError: the folder's samples are of another model or setting; tells which.
    """
    if path.exists():
        kept = read_json(path)
        before = flat(kept)
        for key, value in flat(fingerprint).items():
            if key in before and before[key] != value:
                raise UserError(
                    f"{path.parent}: holds samples of another {key}: {before[key]}, now {value}; give another "
                    "folder (--trainer.default_root_dir), or delete it"
                )
        fingerprint = _merged(kept, fingerprint)
    if is_writer:
        write_json(path, fingerprint)


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Benchmarks that were evaluated before keep their settings."""
    return {**old, **new, "benchmarks": {**old["benchmarks"], **new["benchmarks"]}}
