"""Find the program in a response."""

import datetime
import io
import random
import re
import sys

# why: no backtick may follow the fence: a line such as ```x = 1``` is code within text
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t]*([^`\s]*)[^`]*")
_UNCERTAIN = frozenset(
    {"import", "id", "hash", "object", "open", "exec", "eval", "compile", "globals", "locals", "vars", "dir",
     "getattr", "setattr", "type", "super", "class", "async"}
    .union(dir(random), dir(datetime), dir(sys), dir(io))
)  # fmt: skip
"""Names by which a program gets something that differs between runs, as far as the prelude has it."""
_PYTHON = {"", "python", "python3", "py", "py3"}


def last_code(text: str) -> str | None:
    """Return the program of a response: its last closed fenced block that isn't labelled as another language.

    Only text after `</think>` counts, where there is one. None where there is no such block, or the last one is blank.

    Example:
        >>> last_code("<think>```\\n1\\n```</think>So:\\n```python\\nprint(2)\\n```")
        'print(2)\\n'
    """
    found = [body for label, body in _blocks(text.rpartition("</think>")[2]) if label in _PYTHON]
    return found[-1] if found and found[-1].strip() else None


def is_certain(program: str) -> bool:
    """Return whether a program does the same in every run: no word in it names something that differs.

    One that draws numbers must not pass by another one's luck.
    """
    words = set(re.findall(r"\w+", program))
    return words.isdisjoint(_UNCERTAIN) and not any(len(word) > 1 and word[0] == "_" for word in words)


def _blocks(text: str) -> list[tuple[str, str]]:
    """Return (label, content) of each closed block."""
    blocks: list[tuple[str, str]] = []
    fence, label, body = "", "", list[str]()
    for line in text.split("\n"):
        found = _FENCE.fullmatch(line.rstrip("\r"))
        if not fence and found:
            fence, label, body = found[1], found[2].lower(), []
        # why: as in Markdown, a shorter fence within a block, or one with a label, does not close it
        elif fence and found and found[1].startswith(fence) and not found[2]:
            blocks.append((label, "".join(f"{kept}\n" for kept in body)))
            fence = ""
        elif fence:
            body.append(line)
    return blocks
