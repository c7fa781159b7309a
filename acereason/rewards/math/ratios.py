"""Read ratios of three or more terms, such as 1:2:3, which are no numbers: 2:4:6 is the same, 1/6 is not."""

import re

from acereason.rewards.math.structure import split_list

_NAMES = re.compile(r"\s*\\?[a-zA-Z]+(?:_\{?\w+\}?)?\s*(?::\s*\\?[a-zA-Z]+(?:_\{?\w+\}?)?\s*)+=")
_MOST = 8


def ratio(text: str) -> list[str] | None:
    """Return the terms of a ratio of three or more, with or without names for them; None for anything else.

    Example:
        >>> ratio("a:b:c = 1:2:3"), ratio("3:2")
        (['1', '2', '3'], None)
    """
    if text.count(":") < 2 or len(split_list(text)) > 1:
        return None
    text = text[named.end() :] if (named := _NAMES.match(text)) else text
    text = text.strip()
    if text.startswith("(") and text.endswith(")") and len(_terms(text)) == 1:
        text = text[1:-1]
    terms = _terms(text)
    return terms if 3 <= len(terms) <= _MOST and all(terms) and not re.search(r"[=<>]", text) else None


def _terms(text: str) -> list[str]:
    """Return the parts between colons outside of all brackets."""
    terms, depth = [""], 0
    for character in text:
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(character, 0)
        if character == ":" and depth == 0:
            terms.append("")
        else:
            terms[-1] += character
    return [term.strip() for term in terms]
