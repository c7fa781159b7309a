"""What a server's answer says, of whatever shape it is: a response, or why there is none."""

import json
from typing import Any, Literal

from acereason.teacher.requests import Failed, Finished, Request
from acereason.texts import one_line, without_halves

_THOUGHTS = ("reasoning_content", "reasoning", "thinking", "reasoning_details", "thinking_blocks", "thoughts")
"""Fields of a message that hold thoughts; servers name them in several ways, some in two at once."""
_THINKS = ("thinking", "reasoning", "thought")
"""How the type of a part of content begins that is a thought."""
_TEXTS = ("text", "thinking", "reasoning", "content", "summary", "value")
"""Fields that hold the text of a part, in any of the published forms."""
_MOST_TOKENS = 2**53
"""More than any response has; what is above is no count."""


class NoResponse(ValueError):
    """An answer without a response; tells what it has instead."""


def outcome_of(request: Request, endpoint: Literal["chat", "completions"], content: bytes) -> Finished | Failed:
    """A request's response as the teacher wrote it, thoughts included, or what the answer has instead."""
    try:
        answer = _read(content)
        choice = _choice(answer)
        reason = choice.get("finish_reason")
        if reason not in ("stop", "length"):
            raise NoResponse(f"ended by {one_line(repr(reason))}, not by stop or length{_words(choice)}")
        text = _chat_text(choice.get("message"), reason) if endpoint == "chat" else _text(choice.get("text"), "text")
        if not text.strip():
            raise NoResponse("an empty response")
        return Finished(request, without_halves(text), _tokens(answer.get("usage")), reason)
    except NoResponse as error:
        return Failed(request, without_halves(str(error)))


def _read(content: bytes) -> dict[str, Any]:
    text = content.decode("utf-8-sig", "replace")  # a byte that is no UTF-8 costs its own character
    try:
        value = json.loads(text)
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
    """What a server says of an error beside a status of 200."""
    error = holder.get("error")
    words = error.get("message") if isinstance(error, dict) else error
    return f": {one_line(words, 200)}" if isinstance(words, str) and words.strip() else ""


def _tokens(usage: Any) -> int:
    count = usage.get("completion_tokens") if isinstance(usage, dict) else None
    if type(count) is not int or not 0 <= count < _MOST_TOKENS:
        raise NoResponse("no count of tokens (usage) beside the response")
    return count


def _chat_text(message: Any, finish_reason: str) -> str:
    """The message's text, its thoughts before it, once: servers with a reasoning parser hand them over apart."""
    if not isinstance(message, dict):
        raise NoResponse("no response in the answer: it has no message")
    text, thoughts = _split_content(message.get("content"))
    if text.lstrip().startswith("<think>"):
        return text
    apart = (_plain(message.get(name)) for name in _THOUGHTS)
    thoughts = thoughts.strip() and thoughts or next((found for found in apart if found.strip()), "")
    thoughts = thoughts.strip().removeprefix("<think>").removesuffix("</think>").strip()
    if not thoughts:
        # the server's template has opened it in the prompt
        return f"<think>\n{text.lstrip()}" if "</think>" in text else text
    if not text.strip() and finish_reason == "length":
        return f"<think>\n{thoughts}"  # cut in its thoughts
    return f"<think>\n{thoughts}\n</think>\n\n{text.lstrip()}"


def _split_content(content: Any) -> tuple[str, str]:
    """(text, thoughts) of a message's content, which may come in parts."""
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
    """The text of a part or of parts, however deep it lies; nothing for what is no text."""
    if isinstance(value, list):
        return "".join(map(_plain, value))
    if isinstance(value, dict):
        return next((text for name in _TEXTS if (text := _plain(value.get(name)))), "")
    return value if isinstance(value, str) else ""
