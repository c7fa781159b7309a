r"""Find a response's answer: its last `\boxed{}`, in training and evaluation alike."""

import re

_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?=\{)")
_END_TOKEN = re.compile(r"<\|[a-z_]{1,40}\|>|</s>|<｜end▁of▁sentence｜>")
_LONGEST_BOX = 1_000_000
"""Characters after which a box counts as not closed."""


def last_boxed(text: str) -> str | None:
    r"""Return the content of the last `\boxed{...}` or `\fbox{...}`; None where there is none, or it isn't closed.

    Braces are counted as TeX counts them, `\{` and `\}` left out. Where the box does not close that way, as in
    `\boxed{185\}`, every brace counts.

    Example:
        >>> last_boxed(r"first \boxed{1}, then \boxed{\frac{1}{2}}")
        '\\frac{1}{2}'
    """
    opening = None
    # why: to the last one from the front: linear in the text, unlike a search from its end
    for opening in _BOX.finditer(text):  # noqa: B007
        pass
    if opening is None:
        return None
    content = text[opening.end() + 1 : opening.end() + 1 + _LONGEST_BOX]
    end = _closing_brace(content, escapes=True)
    end = _closing_brace(content, escapes=False) if end is None else end
    return None if end is None else _END_TOKEN.sub("", content[:end]).strip()


def _closing_brace(text: str, escapes: bool) -> int | None:
    """Return the position of the brace that closes one opened before the text."""
    depth = 1
    for token in re.finditer(r"\\.|[{}]" if escapes else r"[{}]", text, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(token.group(), 0)
        if depth == 0:
            return token.start()
    return None
