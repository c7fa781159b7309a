"""This module hashes configurations, and makes seeded draws over whole columns."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
import xxhash

from acereason.common.seeds import derive_seed

_MULTIPLIER = np.uint64(0xBF58476D1CE4E5B9)


def plain(value: Any) -> Any:
    """Return a configuration as JSON has it: dataclasses become mappings."""
    return json.loads(json.dumps(value, default=asdict))


def digest(value: Any) -> str:
    """Return the digest of any configuration, as 32 hexadecimal digits."""
    return hashlib.blake2b(json.dumps(value, sort_keys=True, default=asdict).encode(), digest_size=16).hexdigest()


def draws(texts: Iterable[str], *parts: int | str) -> np.ndarray:
    """Return [N] uint64: for each text a number that depends on the text and the parts of the seed alone."""
    # why: no generator, whose draws would depend on the order of the texts and on which others there are
    seed = derive_seed(*parts)
    return np.fromiter((xxhash.xxh64_intdigest(text.encode(), seed) for text in texts), dtype=np.uint64)


def mixed(numbers: np.ndarray) -> np.ndarray:
    """Map [N] uint64 to [N] uint64, one to one, without any visible pattern (the finalizer of splitmix64)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * _MULTIPLIER
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def share_of(numbers: np.ndarray) -> np.ndarray:
    """Return [N] uint64 draws as float64 in [0, 1)."""
    # why: a float64 holds 53 bits; all 64 of a large draw would round up to 1
    return (numbers >> np.uint64(11)).astype(np.float64) / 2.0**53
