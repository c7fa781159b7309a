"""`deduplicate`: of prompts that say the same, the first is kept.

An exact copy has the same tokens after normalization (`text.split`). A near copy has the same numbers, operators, LaTeX
commands, names and telling words in the same order, and word 3-grams whose Jaccard similarity reaches a
threshold. So two uses of one template that differ in a number are no copies. Candidates come from MinHash LSH (rensa);
every pair is then compared in full, so MinHash can miss a copy but never makes one.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import xxhash

from acereason.curation.digests import mixed
from acereason.curation.stages import Report
from acereason.curation.tables import Dropped, Prompts, write_dropped, write_examples
from acereason.curation.text import split
from acereason.parallel import in_order

_SHINGLE = 3
_BANDS, _ROWS = 16, 4
"""Of the signature: at a similarity of 0.8 a pair becomes a candidate with probability 0.9998."""
_FIRSTS = 32
"""A prompt is compared with the first ones of each of its LSH buckets, at most as many."""


@dataclass
class Deduplication:
    """Which prompts count as copies of an earlier one."""

    near: bool = True
    """Whether near copies are dropped too."""
    similarity: float = 0.8
    """Least Jaccard similarity of the word 3-grams of near copies."""

    def __post_init__(self) -> None:
        if not 0 < self.similarity <= 1:
            raise ValueError(f"deduplicate.similarity must be above 0 and at most 1, not {self.similarity}")


def deduplicate(folder: Path, prompts: Prompts, config: Deduplication, workers: int, shown: int, seed: int) -> Report:
    """Write which prompts are copies, of which kept one, and up to `shown` pairs of each kind."""
    exact, bands = _signatures(prompts, config.near, workers)
    dropped = exact_copies(exact)
    if config.near:
        kept = np.ones(len(prompts), dtype=bool)
        kept[[entry.number for entry in dropped]] = False
        pairs = candidates(bands, np.flatnonzero(kept))
        dropped += near_copies(pairs, prompts, config.similarity)
    reasons = write_dropped(folder, dropped)
    write_examples(folder / "examples.jsonl", dropped, prompts, shown, seed)
    return Report("prompts", len(prompts), len(prompts) - len(dropped), reasons)


def exact_copies(hashes: np.ndarray) -> list[Dropped]:
    """Those whose [N, 2] uint64 hashes occurred before."""
    joined = np.ascontiguousarray(hashes).view([("a", np.uint64), ("b", np.uint64)]).ravel()
    _, first, inverse = np.unique(joined, return_index=True, return_inverse=True)
    origin = first[inverse]
    copies = np.flatnonzero(origin != np.arange(len(origin)))
    return [Dropped(int(n), "exact copy", {"number": int(origin[n])}) for n in copies]


def candidates(bands: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """[P, 2] pairs of prompt numbers (the later first) that share a bucket, sorted.

    Args:
        bands: [N, bands] uint64, a bucket for each band.
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
    """The later ones of the pairs that are near copies of a prompt that is itself kept."""
    texts = prompts.texts(pairs.ravel())
    gone: dict[int, Dropped] = {}
    for later, earlier in pairs.tolist():
        if later in gone or earlier in gone:
            continue
        reached = alike(texts[later], texts[earlier])
        if reached >= similarity:
            gone[later] = Dropped(later, "near copy", {"number": earlier, "similarity": round(reached, 3)})
    return list(gone.values())


def alike(one: str, other: str) -> float:
    """Jaccard similarity of the word 3-grams; 0 where what must agree differs."""
    (mine, told), (theirs, told_there) = split(one), split(other)
    if told != told_there:
        return 0.0
    first, second = _shingles(mine), _shingles(theirs)
    return len(first & second) / len(first | second)


def _shingles(found: list[str]) -> set[tuple[str, ...]]:
    padded = found + [""] * (_SHINGLE - len(found))
    return {tuple(padded[i : i + _SHINGLE]) for i in range(len(padded) - _SHINGLE + 1)}


def _signatures(prompts: Prompts, near: bool, workers: int) -> tuple[np.ndarray, np.ndarray]:
    """[N, 2] hashes of the normal text and, for near copies, [N, bands] buckets."""
    os.environ["RAYON_NUM_THREADS"] = "1"  # the processes are the parallelism
    results = list(in_order(sign_file, near, prompts.files, workers))
    return np.concatenate([exact for exact, _ in results]), np.concatenate([bands for _, bands in results])


def sign_file(near: bool, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The signatures of one file's prompts."""
    pairs = [split(text) for text in pq.read_table(path, columns=["statement"])["statement"].to_pylist()]
    digests = [xxhash.xxh3_128_intdigest(" ".join(found).encode()) for found, _ in pairs]
    exact = np.array([(value >> 64, value & (2**64 - 1)) for value in digests], dtype=np.uint64).reshape(-1, 2)
    return exact, buckets(pairs) if near else np.zeros((len(pairs), 0), np.uint64)


def buckets(pairs: list[tuple[list[str], list[str]]]) -> np.ndarray:
    """[N, bands] uint64: LSH buckets of (tokens, what must agree), which is part of the bucket."""
    from rensa import RMinHash  # here: it reads RAYON_NUM_THREADS when it is loaded

    hashes, offsets = _shingle_hashes([found for found, _ in pairs])
    digests = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, _BANDS * _ROWS, 1).to_rows()
    signature = np.array(digests, dtype=np.uint64).reshape(len(pairs), _BANDS, _ROWS)
    told = np.array([xxhash.xxh64_intdigest(" ".join(told).encode()) for _, told in pairs], dtype=np.uint64)
    bucket = np.repeat(told[:, None], _BANDS, axis=1) + np.arange(_BANDS, dtype=np.uint64)
    for row in range(_ROWS):
        bucket = mixed(bucket ^ signature[:, :, row])
    return bucket


def _shingle_hashes(found: list[list[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of all 3-grams, one list after the other, and where each list begins and ends."""
    known: dict[str, int] = {"": 0}
    ids = [
        known.get(token) or known.setdefault(token, xxhash.xxh64_intdigest(token.encode()))
        for each in found
        for token in each + [""] * (_SHINGLE - len(each))
    ]
    lengths = np.array([max(len(each), _SHINGLE) for each in found], dtype=np.int64)
    ends = np.cumsum(lengths)
    flat = np.array(ids, dtype=np.uint64)
    rolled = mixed(mixed(mixed(flat[:-2]) + flat[1:-1]) + flat[2:])
    inside = np.ones(len(flat), dtype=bool)
    inside[np.concatenate([ends - 1, ends - 2])] = False  # a 3-gram must not cross into the next list
    offsets = np.concatenate([[0], np.cumsum(lengths - _SHINGLE + 1)]).astype(np.uint64)
    return rolled[inside[:-2]], offsets
