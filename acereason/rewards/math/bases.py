r"""Read numerals of other bases, in their many spellings: `1011_2`, `1011_{\text{two}}`, `1011 \text{ (base 2)}`."""

import re
from dataclasses import dataclass

_BASES = {
    "binary": 2, "two": 2, "ternary": 3, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "octal": 8, "eight": 8,
    "nine": 9, "ten": 10, "decimal": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15,
    "sixteen": 16, "hexadecimal": 16, "hex": 16, "twenty": 20,
}  # fmt: skip
_NUMERAL = re.compile(
    r"([+-]?)\s*\(?\s*(\d[\dA-Z ]{0,200})\s*\)?\s*(?:_\s*\(?\s*(?:base)?|,?\s*\(?(?:in\s+)?base)[\s-]*"
    r"(\d{1,2}|[a-z]+)\s*\)?"
)
_WRAPPERS = re.compile(r"\\text\s*(?=\{)|[{}~]")


@dataclass(frozen=True)
class Numeral:
    """A number as its digits in a stated base."""

    digits: str
    base: int


def numeral(text: str) -> Numeral | None:
    r"""Return the numeral that a whole answer consists of; None for other texts.

    Example:
        >>> numeral(r"1011_{\text{two}}"), numeral(r"x_2")
        (Numeral(digits='1011', base=2), None)
    """
    if not ("_" in text or "base" in text) or not (found := _NUMERAL.fullmatch(_WRAPPERS.sub("", text).strip())):
        return None
    sign, written, named = found.groups()
    digits = re.sub(r"\s", "", written)
    base = int(named) if named.isdecimal() else _BASES.get(named, 0)
    if not 2 <= base <= 36 or not all(int(digit, 36) < base for digit in digits):
        return None
    return Numeral(sign.strip("+") + (digits.lstrip("0") or "0"), base)


def without_base_ten(text: str) -> str:
    r"""Return `11` for `11_{10}`, the base of any number without one; other texts as they are."""
    found = numeral(text)
    return found.digits if found and found.base == 10 else text
