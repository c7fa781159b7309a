"""Conversion of a source's response to the text that SFT learns after the prompt."""

import re
from collections.abc import Collection

from acereason.data.messages import flaw

_ENDS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<\uff5cend\u2581of\u2581sentence\uff5c>")
"""End tokens of common teachers, which are ordinary text to another tokenizer."""


def learnt(response: str, opened: str | None, ends: Collection[str]) -> str:
    """Return a response without its own end tokens, and with `<think>` once, counting the prompt's.

    Args:
        response: the response as its source has it.
        opened: the blanks after the `<think>` at the prompt's end; None if the prompt doesn't end with it.
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
        # why: the prompt has opened thoughts, which are closed at once: empty, as Qwen3 writes them
        return f"{'' if opened else chr(10)}\n</think>\n\n{text}"
    if opened is not None and "<think>" in thoughts:
        raise ValueError("text stands before its <think>")
    return text


def _without_ends(response: str, ends: set[str]) -> str:
    """Return the response without any end tokens at its end."""
    text = response
    while end := next((end for end in ends if text.rstrip().endswith(end)), None):
        text = text.rstrip().removesuffix(end).rstrip()
    return text


def _without_gap(rest: str, opened: str) -> str:
    """Return the thoughts without their leading line break if the prompt ends with one."""
    return re.sub(r"^[ \t]*(\r\n?|\n)?", "", rest) if opened else rest
