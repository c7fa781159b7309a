r"""Compare plain numbers exactly, in microseconds: integers, decimals and their fractions."""

import re
from decimal import Decimal
from fractions import Fraction

_UNSIGNED = r"(?:[1-9]\d{0,2}(?:,\d{3})+|\d{1,400})(?:\.\d{0,400})?|\.\d{1,400}"
_DECIMAL = re.compile(rf"([+-]?)\s*({_UNSIGNED})", re.ASCII)
_INTEGER = r"[+-]?\s*\d{1,400}"
_FRACTION = re.compile(
    rf"([+-]?)\s*(?:\\[dtc]?frac\s*\{{\s*({_INTEGER})\s*\}}\s*\{{\s*({_INTEGER})\s*\}}"
    rf"|\\[dtc]?frac\s*(\d)\s*(\d)|({_INTEGER})\s*/\s*(\d{{1,400}}|\(\s*{_INTEGER}\s*\)))",
    re.ASCII,
)
_FLOAT_NOISE = Fraction(1, 10**12)
"""Relative difference. A decimal of 15 digits stands for the number behind it: 0.0833333333333333 for 1/12."""


def number(text: str) -> Fraction | None:
    r"""Return the value of a plain integer, decimal or fraction of integers; None for anything else.

    Example:
        >>> number(r"-\frac{3}{6}"), number("1,320.50"), number("1e3")
        (Fraction(-1, 2), Fraction(2641, 2), None)
    """
    text = text.strip()
    if found := _DECIMAL.fullmatch(text):
        return Fraction(Decimal(found[1] + found[2].replace(",", "")))
    if not (found := _FRACTION.fullmatch(text)):
        return None
    top, bottom = (part for part in found.groups()[1:] if part is not None)
    denominator = int(bottom.strip("() ").replace(" ", ""))
    if denominator == 0:
        return None
    value = Fraction(int(top.replace(" ", "")), denominator)
    return -value if found[1] == "-" else value


def decimal_comma(text: str) -> Fraction | None:
    """Return the value of `1,22` read as `1.22`; None for anything else."""
    found = re.fullmatch(r"([+-]?\s*\d{1,400}),(\d{1,400})", text.strip(), re.ASCII)
    return number(f"{found[1]}.{found[2]}") if found else None


def is_decimal(text: str) -> bool:
    """Return whether a plain number is written with a decimal point."""
    found = _DECIMAL.fullmatch(text.strip())
    return found is not None and "." in text


def rounding_slack(text: str) -> Fraction:
    """Return half a unit of the last decimal, where there are at least 4; 0 for any other text."""
    decimals = len(text.strip().partition(".")[2]) if is_decimal(text) else 0
    # why: rounded to fewer places, a decimal stands for
    # too many numbers: 0.33 for any between 0.325 and 0.335
    return Fraction(1, 2 * 10**decimals) if decimals >= 4 else Fraction(0)


def as_latex(value: Fraction) -> str:
    """Return an integer, or a fraction of integers, in LaTeX."""
    sign, top = "-" if value < 0 else "", abs(value.numerator)
    return f"{sign}{top}" if value.denominator == 1 else rf"{sign}\frac{{{top}}}{{{value.denominator}}}"


def equal_numbers(left: Fraction, right: Fraction, exact: bool) -> bool:
    """Return whether two values are the same number.

    Args:
        exact: whether to allow no tolerance; else a relative difference of 1e-12 is taken for a decimal's rounding,
            except between integers.
    """
    if left == right:
        return True
    if exact or (left.denominator == right.denominator == 1):
        return False
    return abs(left - right) <= _FLOAT_NOISE * max(abs(left), abs(right))


def roughly_equal(left: str, right: str) -> bool:
    """Return whether two plain numbers differ by at most a hundredth of the first."""
    values = number(left), number(right)
    if values[0] is None or values[1] is None:
        return False
    return abs(values[0] - values[1]) <= abs(values[0]) / 100
