r"""Units at the end of an answer: set apart, so that `10` answers `10 \text{ cm}`, and `5 m` does not answer `5 cm`."""

import re
from fractions import Fraction

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
    "mass": {"mg": Fraction(1, 1000), "g": Fraction(1), "kg": Fraction(1000), "ton": Fraction(10**6)},
    "volume": {"ml": Fraction(1, 1000), "L": Fraction(1)},
    "angle": {"degree": Fraction(1)},
    "share": {"percent": Fraction(1)},
    "money": {"cent": Fraction(1, 100), "dollar": Fraction(1)},
}  # fmt: skip
_SPELLINGS = {
    "nm": "nanometer", "mm": "millimeter millimetre", "cm": "centimeter centimetre", "dm": "decimeter decimetre",
    "m": "meter metre", "km": "kilometer kilometre", "in": "inch inche", "ft": "foot feet", "yd": "yard", "mi": "mile",
    "ms": "millisecond", "s": "second sec", "min": "minute", "h": "hour hr", "day": "day", "week": "week",
    "mg": "milligram", "g": "gram", "kg": "kilogram", "ton": "tonne", "ml": "milliliter millilitre mL",
    "L": "liter litre l", "cent": "cent ¢", "dollar": "dollar USD",
}  # fmt: skip
_CANONICAL = {word: unit for unit, words in _SPELLINGS.items() for word in [unit, *words.split()]}
_SCALE = {unit: (dimension, scale) for dimension, units in _DIMENSIONS.items() for unit, scale in units.items()}

_KNOWN = "|".join(sorted((word for word in _CANONICAL if len(word) > 1 and word.isascii()), key=len, reverse=True))
_POWER = r"(?:\s*\^\s*(?:\{\s*[-\d]+\s*\}|\d))?"
_WRAPPED = re.compile(rf"(?<=[\w)}}\]])\s*\\text\s*\{{([^{{}}]*)\}}({_POWER})\s*$")
_CURRENCY = re.compile(r"^(?:\\?\$|\\text\{\s*(?:Rs\.?|USD|\\?\$)\s*\}|[€£¥₹])\s*(?=[-\d.\\])|(?<=\d)\s*[€£¥₹]$")
_DEGREES = re.compile(
    r"(?<=[\w)}])\s*(?:\^\s*(?:\{\s*\\circ\s*\}|\\circ)|\\degrees?|\\text\{\s*degrees?\s*\})\s*[CF]?$"
)
_WORDS = re.compile(
    rf"(?<=[\d)}}])\s*((?<=\s)(?:(?:square|cubic|sq\.?|cu\.?)\s+)?(?:[a-zA-Z]{{4,}}|{_KNOWN})(?:[ /-][a-zA-Z.]+){{0,5}}"
    rf"|(?:cm|mm|km|kg|degrees?))({_POWER})\s*$"
)
_NOT_UNITS = {"and", "or", "pi", "sin", "cos", "tan", "log", "exp", "sqrt", "mod", "where", "with", "for", "the", "let"}


def split_unit(text: str) -> tuple[str, str | None]:
    r"""The text without its trailing unit or leading currency sign, and the unit's canonical name.

    Degrees come back as `degree`. Words that can't be units (`and`, `sin`) stay.

    Example:
        >>> split_unit(r"10 \text{ square centimeters}")
        ('10', 'cm^2')
    """
    bare = _CURRENCY.sub("", text)
    if bare != text:
        return bare.strip(), "dollar" if "$" in text else None
    if degrees := _DEGREES.search(text):
        return text[: degrees.start()].rstrip(), "degree"
    for pattern in (_WRAPPED, _WORDS):
        if (found := pattern.search(text)) and _is_unit(found[1]):
            return text[: found.start()].rstrip(), _canonical(found[1], found[2])
    return text, None


def scale(unit: str | None) -> tuple[str, Fraction] | None:
    """Dimension and size in base units of a known unit, such as `cm^2`; None for any other word."""
    if unit is None:
        return None
    base, _, power = unit.partition("^")
    if base not in _SCALE:
        return None
    dimension, factor = _SCALE[base]
    exponent = int(power or 1)
    return f"{dimension}^{exponent}", factor**exponent


def _is_unit(words: str) -> bool:
    parts = re.findall(r"[a-zA-Z]+", words)
    return bool(parts) and parts[0] not in _NOT_UNITS and not {"and", "or"} & set(parts)


def _canonical(words: str, power: str) -> str:
    words = words.strip().rstrip(".")
    exponent = re.search(r"-?\d+", power or "")
    number = exponent[0] if exponent else ""
    prefix = re.match(r"(square|sq\.?|cubic|cu\.?)\s+(.*)", words)
    if prefix:
        words, number = prefix[2], "2" if prefix[1].startswith("s") else "3"
    name = _CANONICAL.get(words) or _CANONICAL.get(words.lower()) or _CANONICAL.get(words.lower().removesuffix("s"))
    return (name or words.lower().removesuffix("s")) + (f"^{number}" if number and number != "1" else "")
