"""Compute with units: `km/h` is a length over a time, so that 36 km/h are 10 m/s, and neither is 10 m."""

import re
from collections import Counter
from fractions import Fraction
from functools import lru_cache

_GALLON = Fraction(3785411784, 10**12)
_POWERS_OF_LENGTH = {"area": 2, "volume": 3}
_DIMENSIONS: dict[str, dict[str, Fraction]] = {
    "length": {
        "nm": Fraction(1, 10**9), "mm": Fraction(1, 1000), "cm": Fraction(1, 100), "dm": Fraction(1, 10),
        "m": Fraction(1), "km": Fraction(1000), "in": Fraction(254, 10000), "ft": Fraction(3048, 10000),
        "yd": Fraction(9144, 10000), "mi": Fraction(1609344, 1000),
    },
    "time": {
        "ms": Fraction(1, 1000), "s": Fraction(1), "min": Fraction(60), "h": Fraction(3600), "day": Fraction(86400),
        "week": Fraction(604800),
    },
    # why: a month has no fixed number of days
    "months": {"month": Fraction(1), "year": Fraction(12)},
    "mass": {
        "mg": Fraction(1, 1000), "g": Fraction(1), "kg": Fraction(1000), "ton": Fraction(10**6),
        "lb": Fraction(45359237, 10**5), "oz": Fraction(45359237, 16 * 10**5),
    },
    "volume": {
        "ml": Fraction(1, 10**6), "cl": Fraction(1, 10**5), "L": Fraction(1, 1000),
        "gallon": _GALLON, "quart": _GALLON / 4, "pint": _GALLON / 8,
    },
    "area": {"hectare": Fraction(10**4), "acre": Fraction(40468564224, 10**7)},
    "angle": {"degree": Fraction(1)}, "angle in radians": {"radian": Fraction(1)},
    "force": {"newton": Fraction(1)}, "energy": {"joule": Fraction(1), "kilojoule": Fraction(1000)},
    "power": {"watt": Fraction(1), "kilowatt": Fraction(1000)}, "voltage": {"volt": Fraction(1)},
    "current": {"ampere": Fraction(1)}, "temperature": {"kelvin": Fraction(1)}, "charge": {"coulomb": Fraction(1)},
    "degrees Celsius": {"degree C": Fraction(1)},
    "degrees Fahrenheit": {"degree F": Fraction(1)},
    "share": {"percent": Fraction(1)},
    "money": {"cent": Fraction(1, 100), "dollar": Fraction(1)},
    # why: exchange rates change: each currency is a dimension of its own
    "euros": {"euro": Fraction(1)}, "sterling": {"pound sterling": Fraction(1)}, "yen": {"yen": Fraction(1)},
    "rupees": {"rupee": Fraction(1)},
}  # fmt: skip
_SPELLINGS = {
    "nm": "nanometer", "mm": "millimeter millimetre", "cm": "centimeter centimetre", "dm": "decimeter decimetre",
    "m": "meter metre", "km": "kilometer kilometre", "in": "inch inche", "ft": "foot feet", "yd": "yard", "mi": "mile",
    "ms": "millisecond", "s": "second sec", "min": "minute", "h": "hour hr", "day": "day", "week": "week",
    "mg": "milligram", "g": "gram", "kg": "kilogram kilo", "ton": "tonne", "ml": "milliliter millilitre mL cc",
    "cl": "centiliter centilitre cL", "L": "liter litre l", "gallon": "gal", "quart": "qt", "pint": "pt",
    "lb": "pound", "oz": "ounce", "month": "month", "year": "year yr", "hectare": "ha", "acre": "acre",
    "radian": "rad", "newton": "N", "joule": "J", "kilojoule": "kJ", "watt": "W", "kilowatt": "kW", "volt": "V",
    "ampere": "A amp", "kelvin": "K", "coulomb": "C",
    "cent": r"cent ¢ \cent", "dollar": r"dollar USD $ \$", "euro": "euro EUR €",
    "pound sterling": "GBP £", "yen": "JPY ¥", "rupee": "Rs ₹", "degree": "degree deg",
}  # fmt: skip
_CANONICAL = {word: unit for unit, words in _SPELLINGS.items() for word in [unit, *words.split()]}
_SCALE = {unit: (dimension, scale) for dimension, units in _DIMENSIONS.items() for unit, scale in units.items()}
_PRODUCTS = {"mph": "mi/h", "kph": "km/h", "kmh": "km/h", "kmph": "km/h"}
NAMES = frozenset(name for name in [*_CANONICAL, *_PRODUCTS] if name.isascii() and name.isalpha() and len(name) > 1)
"""Every known spelling of more than one letter, in the singular."""
_PREFIX = re.compile(r"(square|sq\.?|cubic|cu\.?)\s+(.*)")
_FACTOR = re.compile(r"([a-zA-Z]+)\.?(?:\^?\{?(-?\d)\}?)?")
_CANONICAL_FACTOR = re.compile(r"([^^]+)(?:\^(-?\d))?")
_DEGREES = {"angle", "degrees Celsius", "degrees Fahrenheit"}


def canonical(words: str) -> str:
    """Return one name for a unit's spellings, `cm^2` for `square centimeters`; unknown words in the singular.

    Example:
        >>> canonical("miles per hour"), canonical("m s^{-2}"), canonical("Apples")
        ('mi/h', 'm*s^-2', 'apple')
    """
    over = re.sub(r"\s*/\s*|\s+(?:per|an?)\s+", "/", words.strip())
    parts = [_product(part) for part in over.split("/")]
    if all(parts):
        return "/".join(filter(None, parts))
    word = words.strip().rstrip(".").lower()
    return word.removesuffix("s")


def factor(gold: str | None, found: str | None) -> Fraction | None:
    """Return how many of the first unit one of the second is: 1 where either is unknown, None where they don't fit."""
    target, other = scale(gold), scale(found)
    if target is None or other is None:
        return Fraction(1)
    if target[0] == other[0]:
        return other[1] / target[1]
    # why: `pounds` is read as a mass, and £5 are 5 pounds
    if {gold, found} == {"lb", "pound sterling"}:
        return Fraction(1)
    # why: a degree sign alone may mean a temperature: 20° may be 20 °C
    shown_by_sign = {target[0], other[0]} <= _DEGREES and "angle" in (target[0], other[0])
    return Fraction(1) if shown_by_sign else None


@lru_cache(maxsize=1024)
def scale(unit: str | None) -> tuple[str, Fraction] | None:
    """Return dimension and size in base units of a canonical unit, `cm^2` or `km/h`; None for any other word."""
    if unit is None:
        return None
    dimensions, size = Counter[str](), Fraction(1)
    for index, part in enumerate(unit.split("/")):
        for name in part.split("*"):
            found = _CANONICAL_FACTOR.fullmatch(name)
            if not found or found[1] not in _SCALE:
                return None
            dimension, one = _SCALE[found[1]]
            exponent = int(found[2] or 1) * (-1 if index else 1)
            dimensions[dimension] += exponent
            size *= one**exponent
    # why: a liter and 1,000 cm^3 must have one dimension, so volumes and areas become powers of length
    for name, power in _POWERS_OF_LENGTH.items():
        dimensions["length"] += power * dimensions.pop(name, 0)
    powers = sorted((name, power) for name, power in dimensions.items() if power)
    return " ".join(name if power == 1 else f"{name}^{power}" for name, power in powers), size


def _product(words: str) -> str | None:
    """Return `m*s^-2` for `m s^{-2}`; None where one of its words is no known unit."""
    if prefix := _PREFIX.match(words):
        name = _name(prefix[2])
        return f"{name}^{2 if prefix[1].startswith('s') else 3}" if name else None
    factors = []
    for word in re.split(r"[\s*·]+", words.strip()):
        found = _FACTOR.fullmatch(word)
        name = _name(found[1]) if found else _name(word)
        if name is None:
            return None
        factors.append(f"{name}^{found[2]}" if found and found[2] and found[2] != "1" else name)
    return "*".join(factors)


def _name(word: str) -> str | None:
    word = word.rstrip(".")
    for form in (word, word.lower(), word.lower().removesuffix("s")):
        if name := _CANONICAL.get(form) or _PRODUCTS.get(form):
            return name
    return None
