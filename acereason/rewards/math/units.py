r"""Split units off the end of an answer, so that `10` answers `10 \text{ cm}`, and `5 m` does not answer `5 cm`."""

import re
from fractions import Fraction

from acereason.rewards.math.exact import as_latex, number
from acereason.rewards.math.measures import NAMES, canonical, scale

_PRODUCTS_TOO = {"in", "mi", "ms", "mg", "nm"}
"""Letters after a number that may be a unit or a product of variables: 5mg."""
_COUNTED = {"unit", "people", "person", "percent", "point", "student", "apple", "ball", "coin", "card", "book", "page"}
_MONEY = r"[€£¥₹]"


def _either(words: set[str] | frozenset[str]) -> str:
    # why: a pattern takes the first word that fits, and `m` fits the beginning of `min`
    return "|".join(sorted(words, key=len, reverse=True))


_POWER = r"(?:\s*\^\s*(?:\{\s*[-\d]+\s*\}|\d))?"
_GROUP = rf"\\text\s*\{{(?:[^{{}}]|\{{[^{{}}]*\}})*\}}{_POWER}"
_AFTER_VALUE = r"(?:(?<=[\d)}\]])|(?<=\\pi)(?=\s))\s*"
_WRAPPED = re.compile(
    rf"(?<=[\w)}}\]])\s*({_GROUP}(?:\s*(?:/|\\cdot|\\times)?\s*{_GROUP})*"
    rf"|\\frac\s*\{{\s*{_GROUP}\s*\}}\s*\{{\s*{_GROUP}\s*\}})()\s*$"
)
_CURRENCY = re.compile(
    rf"^(\\?\$|Rs\.?(?![a-zA-Z])|\\text\{{\s*(?:Rs\.?|USD|EUR|\\?\$|{_MONEY})\s*\}}|{_MONEY})\s*(?=[-\d.\\])"
    rf"|(?<=\d)\s*({_MONEY}|¢|\\cent(?![a-z])|\\text\{{\s*(?:\\?\$|{_MONEY}|¢)\s*\}})$"
)
_DEGREES = re.compile(r"(?<=[\w)}])\s*\^\s*(?:\{\s*\\circ\s*\}|\\circ)\s*(?:\\text\s*\{\s*([CF])[a-z]*\s*\}|([CF]))?$")
_WORDS = re.compile(
    rf"{_AFTER_VALUE}((?<=\s)(?:(?:square|cubic|sq\.?|cu\.?)\s+)?(?:[a-zA-Z]{{4,}}|{_either(NAMES)})"
    rf"(?:[ /-][a-zA-Z.]+){{0,5}}|(?:{_either(NAMES - _PRODUCTS_TOO | _COUNTED)})s?(?:/[a-zA-Z]+)?)({_POWER}|[23])\s*$"
)
_BARE = re.compile(
    rf"(?<=[\d}}])\s*((?:{_either(_PRODUCTS_TOO)}|[mshgLACJKNVW])(?:/[a-z]{{1,3}})?)({_POWER})\s*$"
    rf"|(?<=[\d}}])\s*\\frac\s*\{{\s*([a-z]{{1,3}})\s*\}}\s*\{{\s*([a-z]{{1,3}}{_POWER})\s*\}}\s*$"
)
_TIME_OF_DAY = re.compile(r"\s*(?:[ap]\.?\s*m\.?|o'?\s?clock|in the (?:morning|afternoon|evening))\s*", re.IGNORECASE)
_THOUSANDS = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_NOT_UNITS = {"and", "or", "pi", "sin", "cos", "tan", "log", "exp", "sqrt", "mod", "where", "with", "for", "the", "let"}
_LARGER = re.compile(r"(.*(?:[a-zA-Z}]|\s))\s*(\d+(?:\.\d+)?)", re.DOTALL)
_AND = re.compile(r"\s*(?:\\text\{\s*and\s*\}|\band)\s*$")


def split_unit(text: str) -> tuple[str, str | None]:
    r"""Return the text without its trailing unit or leading currency sign, and the unit's canonical name.

    Degrees come back as `degree`. Words that can't be units (`and`, `sin`, `p.m.`) stay. A quantity in two units,
    `3 \text{ feet } 6 \text{ inches}`, comes back in the smaller one.

    Example:
        >>> split_unit(r"10 \text{ square centimeters}")
        ('10', 'cm^2')
    """
    if currency := _CURRENCY.search(text):
        return _CURRENCY.sub("", text).strip(), canonical(re.sub(r"\\text|[{}\\\s]", "", currency[1] or currency[2]))
    if degrees := _DEGREES.search(text):
        letter = degrees[1] or degrees[2]
        return text[: degrees.start()].rstrip(), f"degree {letter}" if letter else "degree"
    for pattern in (_WRAPPED, _WORDS):
        if (found := pattern.search(text)) and _is_unit(words := _unwrapped(found[1] + found[2])):
            return _with_larger(*_with_thousands(text[: found.start()].rstrip(), words))
    return text, None


def _with_thousands(text: str, words: str) -> tuple[str, str | None]:
    """Return a value times the number that its words begin with, and the unit that follows: 2 million dollars."""
    first, _, rest = words.partition(" ")
    if (times := _THOUSANDS.get(first.lower())) is None:
        return text, canonical(words)
    value = number(text)
    return rf"{times} \cdot ({text})" if value is None else as_latex(value * times), canonical(rest) if rest else None


def bare_unit(text: str) -> tuple[str, str] | None:
    """Return the text before letters that may be a unit, as in `5m`, and the unit; None where there are none."""
    found = _BARE.search(text)
    if not found:
        return None
    words = f"{found[3]}/{found[4]}" if found[3] else found[1] + found[2]
    unit = canonical(_unwrapped(words))
    return None if scale(unit) is None else (text[: found.start()].rstrip(), unit)


def _unwrapped(words: str) -> str:
    r"""Return `m/s^2` for `\text{m}/\text{s}^{2}`, or for the same as a fraction."""
    words = re.sub(r"\\frac\s*\{(.*)\}\s*\{(.*)\}$", r"\1/\2", words)
    words = re.sub(r"\\(?:cdot|times)(?![a-zA-Z])", " ", words)
    words = re.sub(r"\\text\s*\{((?:[^{}]|\{[^{}]*\})*)\}", r" \1", words)
    words = re.sub(r"\s*\^\s*(?:\{\s*(-?\d+)\s*\}|(\d))", r"^\1\2", words)
    return re.sub(r"[~$]", " ", words).strip()


def _is_unit(words: str) -> bool:
    parts = re.findall(r"[a-zA-Z]+", words)
    if not parts or parts[0] in _NOT_UNITS or {"and", "or", "base"} & set(parts):
        return False
    return _TIME_OF_DAY.fullmatch(words) is None


def _with_larger(text: str, unit: str | None) -> tuple[str, str | None]:
    """Add a number of larger units, which comes before it, to a number of small ones: 3 feet 6 inches."""
    found = _LARGER.fullmatch(text)
    if not found or (size := scale(unit)) is None:
        return text, unit
    before = _AND.sub("", found[1].rstrip())
    value, larger = bare_unit(before) or split_unit(before)
    above = scale(larger)
    if above is None or above[0] != size[0] or above[1] <= size[1] or (whole := number(value)) is None:
        return text, unit
    return as_latex(whole * above[1] / size[1] + Fraction(found[2])), unit
