r"""Output of texts of models, servers and users, which may hold half a surrogate pair, which UTF-8 can't encode.

One rule: JSON has it as its escape, `\ud83d`, which reads back the same; anything else (parquet, pages, TensorBoard)
has U+FFFD in its place. A terminal shows what it can't print as an escape.
"""

import io
import json
import re
import sys
from typing import Any

_HALF = re.compile("[\ud800-\udfff]")


def to_json(value: Any, **settings: Any) -> str:
    r"""Serialize a value as JSON in one line that is readable in any script, and always encodable as UTF-8.

    Args:
        value: the value to serialize.
        settings: further arguments of `json.dumps`.

    Example:
        >>> print(to_json({"π": "\ud83d"}))
        {"π": "\ud83d"}
    """
    # why: outside of its strings JSON is ASCII, so that an escape is right wherever a half is found
    return _HALF.sub(lambda found: rf"\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False, **settings))


def without_halves(value: Any) -> Any:
    """Return the value with U+FFFD for each half of a surrogate pair, in texts at any depth; whole pairs are joined."""
    if isinstance(value, str):
        whole = value.isascii() or not _HALF.search(value)
        return value if whole else value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {without_halves(name): without_halves(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_halves(inner) for inner in value]
    return value


def one_line(text: str, limit: int = 500) -> str:
    """Return the text on one line, cut to `limit` characters."""
    # why: cut first, so that a text of megabytes is not split whole; to four times, since runs of blanks shrink
    text = " ".join(text[: 4 * limit].split())
    return text if len(text) <= limit else f"{text[:limit]}…"


def filled(text: str, **values: str) -> str:
    """Return the text with each `{name}` replaced by its value; placeholders within values stay.

    Example:
        >>> filled("{user}: {system}", user="a {system}", system="b")
        'a {system}: b'
    """
    # why: not str.format, which fails on the braces of LaTeX; one pass, as a statement may hold a placeholder
    return re.sub("|".join(rf"\{{{name}\}}" for name in values), lambda found: values[found[0][1:-1]], text)


def forgiving_streams() -> None:
    """Make stdout and stderr print characters that their encoding lacks as escapes."""
    # why: on a terminal without UTF-8 a character of a response would end the run
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
