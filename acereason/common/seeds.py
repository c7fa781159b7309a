"""Random draws as functions of their purpose, so that neither resuming nor the number of ranks changes them."""

import hashlib
import random
from collections.abc import Iterable


def derive_seed(*parts: int | str) -> int:
    """Derive a 63-bit seed from any identifying parts, such as (seed, step, problem id, sample index).

    Example:
        >>> derive_seed(0, "gsm8k/7", 3) == derive_seed(0, "gsm8k/7", 3)
        True
    """
    # why: not `hash`, which PYTHONHASHSEED changes for texts; surrogatepass, since an id may hold half a surrogate pair
    digest = hashlib.blake2b("\0".join(map(str, parts)).encode(errors="surrogatepass"), digest_size=8).digest()
    # why: 63 bits fit into a signed integer of 64, as libraries take for a seed
    return int.from_bytes(digest, "big") >> 1


def shuffled(items: Iterable, *parts: int | str) -> list:
    """Return the items in a random order that is a function of the seed parts."""
    order = list(items)
    random.Random(derive_seed(*parts)).shuffle(order)
    return order
