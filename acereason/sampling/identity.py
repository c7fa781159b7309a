"""This module identifies what responses and verdicts depend on, so that no folder mixes two models or two settings."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from acereason.common.errors import UserError
from acereason.common.files import flat, read_json, write_json
from acereason.common.types import CompressedTests, Problem
from acereason.processes.tensors import local, total
from acereason.rewards.code.compressed import tests_of
from acereason.rollouts.engine import numbered

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
    return digest([problem.prompt_ids, problem.answer, problem.alternatives, _tests_of(problem)])


def problems_digest(problems: list[Problem]) -> str:
    """Return the digest of the problems' prompts and ground truths; numbered copies of a problem count once."""
    first = {numbered(problem.id)[0]: problem for problem in problems}
    return digest([[name, _quick_digest(problem)] for name, problem in first.items()])


def statement_digest(problem: Problem) -> str:
    """Return the digest of a problem's statement and ground truth, before any template."""
    # why: another hash than that of `problem_digest`, since output folders of `predict` hold it
    parts = [problem.task, problem.statement, problem.starter, problem.answer, _tests_of(problem)]
    return hashlib.blake2b("\0".join(parts).encode(errors="replace"), digest_size=8).hexdigest()


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
        before, now = flat(kept), flat(fingerprint)
        # why: a key that one of them lacks is a benchmark's that joins or stays, or one of a later release
        for key, (old, new) in _changes(before, now, [key for key in now if key in before]).items():
            raise UserError(
                f"{path.parent}: holds samples of another {key}: {old}, now {new}; give another "
                "folder (--trainer.default_root_dir), or delete it"
            )
        # why: the settings of benchmarks evaluated before stay, since their samples do
        fingerprint = {**kept, **fingerprint, "benchmarks": {**kept["benchmarks"], **fingerprint["benchmarks"]}}
    if is_writer:
        write_json(path, fingerprint)


def refuse_other(path: Path, identity: dict[str, Any]) -> None:
    """Raise a UserError that names the differences where a folder was started with other settings."""
    if not path.exists():
        return
    # why: through JSON and back, since the file has lists where the identity has tuples
    before, now = flat(read_json(path)), flat(json.loads(json.dumps(identity)))
    if changes := _changes(before, now, before | now):
        differences = "; ".join(f"{name} was {old!r}, now {new!r}" for name, (old, new) in changes.items())
        raise UserError(
            f"output: {path.parent} was started with other settings: {differences}; set it back, or name another folder"
        )


def _changes(before: dict[str, Any], now: dict[str, Any], names: Iterable[str]) -> dict[str, tuple[Any, Any]]:
    """Return {name: (value before, value now)} of those names whose values differ."""
    return {name: (before.get(name), now.get(name)) for name in names if before.get(name) != now.get(name)}


def _tests_of(problem: Problem) -> str:
    return repr(tests_of(problem) if problem.tests else None)


def _quick_digest(problem: Problem) -> str:
    # why: the compressed bytes stand for the tests, since unpacking takes minutes where they are many
    if isinstance(problem.tests, CompressedTests):
        return digest([problem.prompt_ids, hashlib.sha256(problem.tests.data).hexdigest()])
    return problem_digest(problem)
