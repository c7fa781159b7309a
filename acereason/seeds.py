"""Random draws as functions of what they are for, so that neither resume nor the number of ranks changes them."""

import hashlib
import random
from collections.abc import Iterable


def derive_seed(*parts: int | str) -> int:
    """A 63-bit seed from any identifying parts, such as (seed, step, problem id, sample index).

    Example:
        >>> derive_seed(0, "gsm8k/7", 3) == derive_seed(0, "gsm8k/7", 3)
        True
    """
    digest = hashlib.blake2b("\0".join(map(str, parts)).encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def shuffled(items: Iterable, *parts: int | str) -> list:
    """The items in the order that the seed parts give."""
    order = list(items)
    random.Random(derive_seed(*parts)).shuffle(order)
    return order
