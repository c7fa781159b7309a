"""This module measures responses in tokens: by their shard's count, else by a tokenizer, else by an estimate."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from acereason.common.errors import UserError


def token_counts(
    texts: Sequence[str], known: Sequence[int | None], tokenizer: str | None, characters_per_token: float
) -> list[int]:
    """Return the stored counts; where there is none the tokenizer's, or len(text) / characters_per_token without one.

    An empty text has 0 tokens.

    Raises:
        UserError: there is no such tokenizer.
    """
    counts = [count if text else 0 for text, count in zip(texts, known, strict=True)]
    missing = [place for place, count in enumerate(counts) if count is None]
    asked = [texts[place] for place in missing]
    counted = _counted(asked, tokenizer) if tokenizer else [max(1, round(len(t) / characters_per_token)) for t in asked]
    measured = dict(zip(missing, counted, strict=True))
    return [measured[place] if count is None else count for place, count in enumerate(counts)]


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
