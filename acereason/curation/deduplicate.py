"""The stage `deduplicate` keeps the first of prompts that say the same.

An exact copy has the same tokens after normalization (`text.split`). A near copy has the same numbers, operators, LaTeX
commands, names and telling words in the same order, and word 3-grams whose Jaccard similarity reaches a threshold. So
two uses of one template that differ in a number are no copies. Candidates come from MinHash LSH (rensa); every pair is
then compared in full, so that MinHash can miss a copy but never makes one.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import xxhash

from acereason.curation.context import Context
from acereason.curation.digests import mixed
from acereason.curation.stages import Report
from acereason.curation.tables import Dropped, Prompts
from acereason.curation.text import split
from acereason.processes.parallel import in_order

_BANDS, _ROWS = 16, 4
"""Bands of the MinHash signature, and rows of a band: at a similarity of 0.8 a pair becomes a candidate with
probability 0.9998."""
_FIRSTS = 32
"""Most prompts of an LSH bucket that a later one is compared with: all pairs grow with the square of its size."""


@dataclass
class Deduplication:
    """The settings by which a prompt counts as a copy of an earlier one."""

    near: bool = True
    """Whether near copies are dropped too."""
    similarity: float = 0.8
    """Least Jaccard similarity of the word 3-grams of near copies."""

    def __post_init__(self) -> None:
        if not 0 < self.similarity <= 1:
            raise ValueError(f"deduplicate.similarity must be above 0 and at most 1, not {self.similarity}")


def deduplicate(context: Context, to: Path, config: Deduplication) -> Report:
    """Write which prompts are copies of which kept one, and pairs of each kind as examples."""
    exact, bands = _signatures(context, config.near)
    dropped = exact_copies(exact)
    if config.near:
        kept = np.ones(len(exact), dtype=bool)
        kept[[entry.number for entry in dropped]] = False
        dropped += near_copies(candidates(bands, np.flatnonzero(kept)), context.prompts, config.similarity)
    return context.drop(to, dropped)


def exact_copies(hashes: np.ndarray) -> list[Dropped]:
    """Return the prompts whose [N, 2] uint64 hashes occurred before, each with the first prompt that has them."""
    joined = np.ascontiguousarray(hashes).view([("a", np.uint64), ("b", np.uint64)]).ravel()
    _, first, inverse = np.unique(joined, return_index=True, return_inverse=True)
    origin = first[inverse]
    copies = np.flatnonzero(origin != np.arange(len(origin)))
    return [Dropped(int(n), "exact copy", {"number": int(origin[n])}) for n in copies]


def candidates(bands: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return [P, 2] pairs of prompt numbers (the later first) that share a bucket, sorted.

    Args:
        bands: [N, bands] uint64, the bucket of each prompt in each band.
        numbers: the prompts to compare, ascending.
    """
    total = int(numbers.max(initial=0)) + 1
    found = [np.empty(0, np.int64)]
    for band in range(bands.shape[1]):
        buckets = bands[numbers, band]
        order = np.argsort(buckets, kind="stable")
        new = np.concatenate([[True], buckets[order][1:] != buckets[order][:-1]])
        start = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
        position = np.arange(len(order)) - start
        for offset in range(min(_FIRSTS, int(position.max(initial=0)))):
            later = np.flatnonzero(position > offset)
            found.append(np.unique(numbers[order[later]] * total + numbers[order[start[later] + offset]]))
    return np.stack(np.divmod(np.unique(np.concatenate(found)), total), axis=1)


def near_copies(pairs: np.ndarray, prompts: Prompts, similarity: float) -> list[Dropped]:
    """Return the later prompt of each pair of near copies whose earlier prompt is itself kept.

    Args:
        pairs: [P, 2] candidates, sorted.
        prompts: all prompts.
        similarity: least Jaccard similarity of a near copy.
    """
    texts = prompts.texts(pairs.ravel())
    gone: dict[int, Dropped] = {}
    for later, earlier in pairs.tolist():
        # why: a copy of a dropped prompt stays, or chains of copies would drop prompts unlike every kept one
        if later in gone or earlier in gone:
            continue
        reached = alike(texts[later], texts[earlier])
        if reached >= similarity:
            gone[later] = Dropped(later, "near copy", {"number": earlier, "similarity": round(reached, 3)})
    return list(gone.values())


def alike(one: str, other: str) -> float:
    """Return the Jaccard similarity of two texts' word 3-grams; 0 where tokens differ that must agree."""
    (mine, keys), (theirs, other_keys) = split(one), split(other)
    if keys != other_keys:
        return 0.0
    first, second = set(_shingles(mine)), set(_shingles(theirs))
    return len(first & second) / len(first | second)


def _shingles(found: list[str]) -> list[str]:
    # why: padded, so that a text of one or two words has a 3-gram as well
    padded = found + [""] * (3 - len(found))
    return list(map(" ".join, zip(padded, padded[1:], padded[2:], strict=False)))


def _signatures(context: Context, near: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return [N, 2] hashes of the normal text and, for near copies, [N, bands] buckets."""
    # why: rensa would start a thread for each core in every process, while the processes are the parallelism
    os.environ["RAYON_NUM_THREADS"] = "1"
    exact, bands = zip(*in_order(sign_file, near, context.prompts.files, context.workers), strict=True)
    return np.concatenate(exact), np.concatenate(bands)


def sign_file(near: bool, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the signatures of the prompts in one file: [N, 2] hashes and [N, bands] buckets."""
    pairs = [split(text) for text in pq.read_table(path, columns=["statement"])["statement"].to_pylist()]
    digests = [xxhash.xxh3_128_intdigest(" ".join(found).encode()) for found, _ in pairs]
    exact = np.array([(value >> 64, value & (2**64 - 1)) for value in digests], dtype=np.uint64).reshape(-1, 2)
    return exact, buckets(pairs) if near else np.zeros((len(pairs), 0), np.uint64)


def buckets(pairs: list[tuple[list[str], list[str]]]) -> np.ndarray:
    """Return [N, bands] uint64 LSH buckets of texts.

    Args:
        pairs: for each text its tokens, and those in which near copies must agree.
    """
    # why: imported here, since rensa reads RAYON_NUM_THREADS when it is loaded
    from rensa import RMinHash

    digests = RMinHash.digest_matrix_from_token_sets([_shingles(found) for found, _ in pairs], _BANDS * _ROWS, 1)
    signature = np.array(digests.to_rows(), dtype=np.uint64).reshape(len(pairs), _BANDS, _ROWS)
    keys = np.array([xxhash.xxh64_intdigest(" ".join(tokens).encode()) for _, tokens in pairs], dtype=np.uint64)
    # why: the tokens that must agree are part of the bucket, so that prompts of one template don't fill it
    bucket = np.repeat(keys[:, None], _BANDS, axis=1) + np.arange(_BANDS, dtype=np.uint64)
    for row in range(_ROWS):
        bucket = mixed(bucket ^ signature[:, :, row])
    return bucket
