"""From a response as its source has it to the text that SFT learns after the prompt."""

import re
from collections.abc import Collection

from acereason.data.messages import flaw

_ENDS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<\uff5cend\u2581of\u2581sentence\uff5c>")
"""End tokens of common teachers, which are plain text to another tokenizer."""


def learnt(response: str, opened: str | None, ends: Collection[str]) -> str:
    """A response without the end tokens that it brings, and with each `<think>` once, counting the prompt's.

    Args:
        response: as its source has it.
        opened: what stands in the prompt after the `<think>` that it ends with; None where it ends with none.
        ends: the end tokens of the tokenizer.

    Raises:
        ValueError: it can't be learnt; says why in one line.

    Example:
        >>> learnt("<think>2 and 2</think>4<|im_end|>", opened="\\n", ends=())
        '2 and 2</think>4'
    """
    text = _without_ends(response, {*ends, *_ENDS})
    if reason := flaw(text):
        raise ValueError(reason)
    begun = re.match(r"(\s*<think>)+", text)
    thoughts, closed, _ = text.partition("</think>")
    if begun:
        rest = text[begun.end() :]
        return f"<think>{rest}" if opened is None else _without_gap(rest, opened)
    if opened is not None and not closed:
        return f"{'' if opened else chr(10)}\n</think>\n\n{text}"  # empty thoughts, as Qwen3 writes them
    if opened is not None and "<think>" in thoughts:
        raise ValueError("text stands before its <think>")
    return text


def _without_ends(response: str, ends: set[str]) -> str:
    """The response without the end tokens at its end, however many."""
    text = response
    while end := next((end for end in ends if text.rstrip().endswith(end)), None):
        text = text.rstrip().removesuffix(end).rstrip()
    return text


def _without_gap(rest: str, opened: str) -> str:
    """Thoughts without the line break that the prompt has put before them."""
    return re.sub(r"^[ \t]*(\r\n?|\n)?", "", rest) if opened else rest
