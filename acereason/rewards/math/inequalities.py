r"""Turn inequalities joined by `or` and `and` into the intervals that they describe: x < 1 or x > 2."""

import re

_JOINED = re.compile(r"\\text\s*\{\s*(or|and)\s*\}|\\(lor|vee|cup|land|wedge)(?![a-zA-Z])|\b(or|and)\b")
_ALL_OF = {"and", "land", "wedge"}
_SIGN = re.compile(r"(<|>|\\le(?![a-zA-Z])|\\ge(?![a-zA-Z]))")
_NAME = re.compile(r"[a-zA-Z]|\\(?:theta|alpha|lambda|mu)")
_TURNED = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}
_MOST = 8

Bounds = tuple[str, str, str]
"""Name, left half of its interval, right half."""


def as_intervals(text: str) -> str | None:
    r"""Return `(-\infty, 1) \cup (2, \infty)` for `x < 1 \text{ or } x > 2`; None for anything but such a join."""
    if not _SIGN.search(text):
        return None
    parts, joiners = (
        _JOINED.split(text)[:: _JOINED.groups + 1],
        [m.group(m.lastindex or 0) for m in _JOINED.finditer(text)],
    )
    if not 2 <= len(parts) <= _MOST:
        return None
    pieces = [_bounds(parts[0])]
    for joiner, part in zip(joiners, parts[1:], strict=True):
        piece = _bounds(part)
        # why: `and` narrows the piece before it; `or` begins another piece
        if joiner in _ALL_OF:
            before = pieces.pop()
            piece = _both(before, piece) if before and piece else None
        pieces.append(piece)
    known = [piece for piece in pieces if piece]
    # why: bounds of two different variables describe no interval
    if len(known) < len(pieces) or len({name for name, _, _ in known}) > 1:
        return None
    return r" \cup ".join(f"{left}, {right}" for _, left, right in known)


def _bounds(text: str) -> Bounds | None:
    """Read a single inequality that bounds a name, from one side or, as `1 < x < 2`, from both."""
    parts = [part.strip() for part in _SIGN.split(text)]
    if len(parts) == 5 and _NAME.fullmatch(parts[2]):
        lower, upper = _bounds(" ".join(parts[:3])), _bounds(" ".join(parts[2:]))
        return _both(lower, upper) if lower and upper else None
    if len(parts) != 3 or not all(parts):
        return None
    left, sign, right = parts
    if not _NAME.fullmatch(left):
        left, sign, right = right, _TURNED[sign], left
    if not _NAME.fullmatch(left) or _NAME.fullmatch(right):
        return None
    if sign in ("<", r"\le"):
        return left, r"(-\infty", right + (")" if sign == "<" else "]")
    return left, ("(" if sign == ">" else "[") + right, r"\infty)"


def _both(one: Bounds, other: Bounds) -> Bounds | None:
    """Return the interval between a lower and an upper bound of one name; None for any other two bounds."""
    lower, upper = (one, other) if one[2] == r"\infty)" else (other, one)
    if one[0] != other[0] or lower[2] != r"\infty)" or upper[1] != r"(-\infty":
        return None
    return one[0], lower[1], upper[2]
