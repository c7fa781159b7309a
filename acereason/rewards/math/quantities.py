"""Bring two quantities to one unit, so that their numbers can be compared."""

from fractions import Fraction

from acereason.rewards.math.angles import INVERSE
from acereason.rewards.math.exact import as_latex, number
from acereason.rewards.math.measures import factor, scale
from acereason.rewards.math.normalize import Normal
from acereason.rewards.math.structure import split_label
from acereason.rewards.math.units import bare_unit


def in_one_unit(gold: Normal, found: Normal) -> tuple[str, str] | None:
    """Return both numbers in the ground truth's unit; None where the units measure different things."""
    gold, found = _with_bare_units(gold, found)
    if {gold.unit, found.unit} == {"degree", "radian"}:
        degrees = [_radians(side) if side.unit == "degree" else side.text for side in (gold, found)]
        return degrees[0], degrees[1]
    units = ["percent" if side.percent and not side.unit else side.unit for side in (gold, found)]
    if (ratio := factor(*units)) is None:
        return None
    return _in_radians(gold, found), times(_in_radians(found, gold), ratio)


def times(text: str, factor: Fraction) -> str:
    """Return the text of `factor` times the value of a text."""
    if factor == 1:
        return text
    value = number(text)
    return rf"{as_latex(factor)} \cdot ({text})" if value is None else as_latex(value * factor)


def _with_bare_units(gold: Normal, found: Normal) -> tuple[Normal, Normal]:
    """Read letters that may be a unit or variables, `5m`, as a unit where the other side has one."""
    for one, other in ((gold, found), (found, gold)):
        read = bare_unit(one.text) if one.unit is None and scale(other.unit) else None
        if read:
            measured = Normal(read[0], unit=read[1])
            return (measured, found) if one is gold else (gold, measured)
    return gold, found


def _in_radians(quantity: Normal, other: Normal) -> str:
    """Return degrees in radians where the other side is in multiples of pi, or an inverse trigonometric function."""
    if quantity.unit != "degree" or other.unit is not None:
        return quantity.text
    if r"\pi" not in other.text and not INVERSE.search(other.text):
        return quantity.text
    return _radians(quantity)


def _radians(quantity: Normal) -> str:
    label, value = split_label(quantity.text)
    return rf"{label} = \frac{{{value}}}{{180}} \pi" if label else rf"\frac{{{value}}}{{180}} \pi"
