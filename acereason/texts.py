r"""Text of models, servers and users where it leaves Python, which may hold half a surrogate pair; UTF-8 can't.

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
    r"""JSON in one line that is readable in any script, and UTF-8 whatever the texts in it hold.

    Args:
        value: what to write.
        settings: of `json.dumps`.

    Example:
        >>> print(to_json({"π": "\ud83d"}))
        {"π": "\ud83d"}
    """
    # outside of its strings JSON is ASCII, so that an escape is right wherever a half is found
    return _HALF.sub(lambda found: rf"\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False, **settings))


def without_halves(value: Any) -> Any:
    """The value with U+FFFD for each half of a pair, in texts at any depth; pairs that were cut in two are joined."""
    if isinstance(value, str):
        whole = value.isascii() or not _HALF.search(value)
        return value if whole else value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {without_halves(name): without_halves(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_halves(inner) for inner in value]
    return value


def one_line(text: str, limit: int = 500) -> str:
    """The text on one line, cut where it is longer."""
    text = " ".join(text[: 4 * limit].split())
    return text if len(text) <= limit else f"{text[:limit]}…"


def forgiving_streams() -> None:
    """Let stdout and stderr print what their encoding doesn't have as an escape; else a terminal ends a run."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
