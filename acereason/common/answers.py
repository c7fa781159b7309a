"""This module reads a server's answer, of any shape: it finds the response, or the reason why there is none."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from acereason.common.texts import one_line, without_halves

_THOUGHTS = ("reasoning_content", "reasoning", "thinking", "reasoning_details", "thinking_blocks", "thoughts")
"""Fields of a message that hold thoughts; servers name them in several ways, some in two at once."""
_THINKS = ("thinking", "reasoning", "thought")
"""Beginnings of the type of a content part that holds thoughts."""
_TEXTS = ("text", "thinking", "reasoning", "content", "summary", "value")
"""Fields that hold the text of a content part, in any of the published forms."""
_MOST_TOKENS = 2**53
"""Bound on a count of tokens, above any response's; a larger number is no count."""


class NoResponse(ValueError):
    """An answer holds no response; the message says what it has instead."""


@dataclass(frozen=True)
class Answer:
    """A model's response as a server sent it."""

    text: str
    """The response, its thoughts included, in `<think>`."""
    tokens: int
    """Length in tokens, the stop token included."""
    finish_reason: Literal["stop", "length"]


def read_answer(endpoint: Literal["chat", "completions"], content: bytes) -> Answer:
    """Return the response in an answer.

    Args:
        endpoint: the endpoint that answered.
        content: body of the answer, whatever the server sent.

    Raises:
        NoResponse: there is none; says why in one line.
    """
    answer = _read(content)
    choice = _choice(answer)
    reason = choice.get("finish_reason")
    if reason not in ("stop", "length"):
        raise NoResponse(f"ended by {one_line(repr(reason))}, not by stop or length{_words(choice)}")
    text = _chat_text(choice.get("message"), reason) if endpoint == "chat" else _text(choice.get("text"), "text")
    if not text.strip():
        raise NoResponse("an empty response")
    return Answer(without_halves(text), _tokens(answer.get("usage")), reason)


def _read(content: bytes) -> dict[str, Any]:
    # why: a byte that is no UTF-8 must cost its own character, not the response
    text = content.decode("utf-8-sig", "replace")
    try:
        value = json.loads(text)
    # why: an answer of brackets alone, a hundred thousand deep, ends the parser by a RecursionError
    except (ValueError, RecursionError):
        value = text
    if not isinstance(value, dict):
        raise NoResponse(f"no response in the answer: {one_line(str(value), 200) or 'nothing'}")
    return value


def _choice(answer: dict[str, Any]) -> dict[str, Any]:
    choices = answer.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        raise NoResponse(f"no response in the answer{_words(answer)}")
    return choice


def _words(holder: dict[str, Any]) -> str:
    """Return the words of an error that a server sends with a status of 200; empty where it sends none."""
    error = holder.get("error")
    words = error.get("message") if isinstance(error, dict) else error
    return f": {one_line(words, 200)}" if isinstance(words, str) and words.strip() else ""


def _tokens(usage: Any) -> int:
    count = usage.get("completion_tokens") if isinstance(usage, dict) else None
    # why: `type` rather than `isinstance`, for which JSON's true would be the number 1
    if type(count) is not int or not 0 <= count < _MOST_TOKENS:
        raise NoResponse("no count of tokens (usage) beside the response")
    return count


def _chat_text(message: Any, finish_reason: str) -> str:
    """Return the message's text with its thoughts before it, in `<think>`.

    Servers with a reasoning parser send the thoughts apart from the text, and some send them twice.
    """
    if not isinstance(message, dict):
        raise NoResponse("no response in the answer: it has no message")
    text, thoughts = _split_content(message.get("content"))
    if text.lstrip().startswith("<think>"):
        return text
    apart = (_plain(message.get(name)) for name in _THOUGHTS)
    thoughts = thoughts.strip() and thoughts or next((found for found in apart if found.strip()), "")
    thoughts = thoughts.strip().removeprefix("<think>").removesuffix("</think>").strip()
    if not thoughts:
        # why: where the server's template opens `<think>` in the prompt, the response holds its end alone
        return f"<think>\n{text.lstrip()}" if "</think>" in text else text
    # why: a response cut in its thoughts stays open; closed, it would look like one that had ended them
    if not text.strip() and finish_reason == "length":
        return f"<think>\n{thoughts}"
    return f"<think>\n{thoughts}\n</think>\n\n{text.lstrip()}"


def _split_content(content: Any) -> tuple[str, str]:
    """Return (text, thoughts) of a message's content, which is a text or a list of parts."""
    if not isinstance(content, list):
        return _text(content, "content"), ""
    thinks = [isinstance(part, dict) and str(part.get("type")).startswith(_THINKS) for part in content]
    texts = [
        "".join(_plain(part) for part, own in zip(content, thinks, strict=True) if own is kind)
        for kind in (False, True)
    ]
    return texts[0], texts[1]


def _text(value: Any, name: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise NoResponse(f"no response in the answer: its {name} is a {type(value).__name__}")
    return value


def _plain(value: Any) -> str:
    """Return the text of a part or of parts, however deep it lies; empty for a value that holds no text."""
    if isinstance(value, list):
        return "".join(map(_plain, value))
    if isinstance(value, dict):
        return next((text for name in _TEXTS if (text := _plain(value.get(name)))), "")
    return value if isinstance(value, str) else ""
