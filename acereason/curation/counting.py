"""This module measures responses in tokens: by their shard's count, else by a tokenizer, else by an estimate."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import pyarrow as pa

from acereason.common.errors import UserError


def token_counts(
    texts: Sequence[str | None], known: Sequence[int | None], tokenizer: str | None, characters_per_token: float
) -> pa.Array:
    """Return [R] tokens of responses; 0 for an empty text.

    Args:
        texts: [R] responses.
        known: [R] counts where they are known.
        tokenizer: name or folder of the tokenizer that counts the others; None estimates them.
        characters_per_token: characters that make one token of an estimate.

    Raises:
        UserError: there is no such tokenizer.
    """
    missing = [i for i, (text, count) in enumerate(zip(texts, known, strict=True)) if count is None and text]
    counts = [0 if not text else count for text, count in zip(texts, known, strict=True)]
    asked = [texts[i] or "" for i in missing]
    found = _counted(asked, tokenizer) if tokenizer else [max(1, round(len(t) / characters_per_token)) for t in asked]
    for i, count in zip(missing, found, strict=True):
        counts[i] = count
    return pa.array(counts, pa.int64())


def _counted(texts: list[str], tokenizer: str) -> list[int]:
    return [len(ids) for ids in _tokenizer(tokenizer)(texts, add_special_tokens=False)["input_ids"]] if texts else []


@cache
def _tokenizer(name: str) -> Any:
    # why: imported here, since it takes seconds, and shards that bring their counts need none of it
    from transformers import AutoTokenizer

    from acereason.models.bytes import BYTES, byte_tokenizer

    try:
        return byte_tokenizer() if name == BYTES else AutoTokenizer.from_pretrained(name)
    except OSError as error:
        raise UserError(f"responses.tokenizer: {name!r} is neither a folder nor a name on the Hub") from error
