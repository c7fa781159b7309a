"""Conversations in the forms that datasets have, and the texts of the user and the assistant in them."""

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from acereason.data.values import text_of

Role = Literal["user", "assistant", "system"]
_ROLES: dict[str, Role] = {
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "bot": "assistant", "chatgpt": "assistant",
    "system": "system", "developer": "system",
}  # fmt: skip
_NAMES = (("role", "content"), ("from", "value"))
_TEXTS = ("text", "input_text", "output_text")
_THOUGHTS = ("reasoning_content", "reasoning", "thinking", "thoughts")
_CALLS = ("tool_calls", "function_call")
_LIST = re.compile(r"\s*\[\s*\{")
NO_STATEMENT = "no statement"


@dataclass
class Turn:
    """One message of a conversation."""

    role: Role
    text: str


def turns_of(value: Any) -> list[Turn] | None:
    """Return the turns of a cell that holds a conversation, or its JSON; None for any other cell.

    Raises:
        ValueError: it is a list, but can't be read as a conversation; says why.
    """
    messages = _messages(value)
    return None if messages is None else [_turn(message, place) for place, message in enumerate(messages, 1)]


def statement_of(value: Any, answered_elsewhere: bool) -> str:
    """Return the text of a problem, or the first message of the user in a conversation.

    Args:
        value: the cell.
        answered_elsewhere: whether the answer is in another cell.

    Raises:
        ValueError: there is no such text; says why.
    """
    turns = turns_of(value)
    asked = [text_of(value)] if turns is None else [turn.text for turn in turns if turn.role == "user"]
    # why: an answer in another cell answers the user's last turn, not the first
    if len(asked) > 1 and answered_elsewhere:
        raise ValueError(f"a conversation in which the user speaks {len(asked)} times; a problem is one turn")
    # why: OpenCodeReasoning writes - for a statement that is in another dataset
    if not asked or asked[0].strip() in ("", "-"):
        raise ValueError(NO_STATEMENT)
    return asked[0].strip()


def response_of(value: Any) -> str:
    """Return a response, or the first message of the assistant in a conversation; an empty text if there is none.

    Raises:
        ValueError: the cell holds something else; says what.
    """
    turns = turns_of(value)
    if turns is None:
        return text_of(value)
    return next((turn.text for turn in turns if turn.role == "assistant"), "")


def flaw(response: str) -> str | None:
    """Return why nothing can be learnt from a response: it is empty, or was cut while it was thinking; else None."""
    if not response.strip():
        return "no response"
    before, closed, after = response.rpartition("</think>")
    if not closed and "<think>" in response:
        return "a response that was cut: its <think> is not closed"
    return "a response that was cut: nothing follows its </think>" if closed and not after.strip() else None


def with_thoughts(thoughts: str, text: str) -> str:
    """Put thoughts that came apart from a response before it."""
    # why: some servers and datasets have the thoughts in both places, and they must not be there twice
    if not thoughts.strip() or "</think>" in text or text.lstrip().startswith("<think>"):
        return text
    return f"<think>\n{thoughts.strip()}\n</think>\n\n{text}" if text.strip() else f"<think>\n{thoughts.strip()}"


def _messages(value: Any) -> list[Any] | None:
    if isinstance(value, str) and _LIST.match(value):
        value = _conversation(value)
    if isinstance(value, dict):
        value = _rows_of(value)
    return value if isinstance(value, list) else None


def _conversation(text: str) -> Any:
    """Return the list of messages of which the text is the JSON; else the text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    # why: a statement may be a list of other objects, as an input of a code problem is; it stays text
    named = all(isinstance(each, dict) and any(set(names) <= each.keys() for names in _NAMES) for each in value)
    return value if named else text


def _rows_of(value: dict[str, Any]) -> Any:
    """Return the messages of a mapping of columns, as `datasets` has a sequence of mappings; else the mapping."""
    for names in _NAMES:
        columns = [column for name in names if isinstance(column := value.get(name), list)]
        if len(columns) == len(names) and len({len(column) for column in columns}) == 1:
            return [dict(zip(names, said, strict=True)) for said in zip(*columns, strict=True)]
    return value


def _turn(message: Any, place: int) -> Turn:
    if not isinstance(message, dict):
        raise ValueError(f"a list, but not of messages: no. {place} is no mapping with a role and a content")
    names = next((names for names in _NAMES if message.get(names[0]) is not None), None)
    if names is None:
        raise ValueError(f"message {place} has neither role and content, nor from and value")
    role = _ROLES.get(str(message[names[0]]).lower())
    if role is None or any(message.get(name) for name in _CALLS):
        raise ValueError(f"message {place} is of {message[names[0]]!r:.40}, or calls a tool; only texts are read")
    text, inner = _said(message.get(names[1]), place)
    thoughts = next((text_of(message[name]) for name in _THOUGHTS if message.get(name)), inner)
    return Turn(role, with_thoughts(thoughts, text) if role == "assistant" else text)


def _said(content: Any, place: int) -> tuple[str, str]:
    """Return (text, thoughts) of a message's content, which is a text or a list of parts."""
    if not isinstance(content, list):
        return text_of(content), ""
    said: dict[bool, list[str]] = {True: [], False: []}
    for part in content:
        kind = part.get("type", "text") if isinstance(part, dict) else "text"
        if kind not in (*_TEXTS, *_THOUGHTS):
            raise ValueError(f"message {place} has a part of type {kind!r:.40}; only texts are read")
        value = part if not isinstance(part, dict) else part.get(kind) if kind in part else part.get("text")
        said[kind in _TEXTS].append(text_of(value))
    return "\n".join(said[True]), "\n".join(said[False])
