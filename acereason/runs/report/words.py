"""This module formats numbers as people write them."""

from collections.abc import Callable, Iterable


def percent(share: float) -> str:
    """Format a share in percent with one decimal: 0.8825 is 88.2 %; NaN is a dash."""
    # why: NaN alone is unequal to itself
    return f"{100 * share:.1f} %" if share == share else "-"


def number(value: float) -> str:
    """Format with three significant digits, whole and large numbers with separators; NaN is a dash."""
    if value != value:
        return "-"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"


def decimals(value: float) -> str:
    """Format with three decimals."""
    return f"{value:.3f}"


def amount(count: float) -> str:
    """Format a large count in words: 812,345 is 0.8 million, 7.6e9 is 7.6 billion."""
    for size, name in ((1e9, "billion"), (1e6, "million")):
        if count >= size / 2:
            return f"{count / size:.1f} {name}"
    return f"{count:,.0f}"


def duration(seconds: float) -> str:
    """Format seconds in their two largest units: 93784 is 1 d 2 h."""
    left, parts = round(seconds), []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
    return " ".join(parts[:2]) or "0 s"


def listed(words: Iterable[str]) -> str:
    """Join words as in `a, b and c`."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def arrow(values: list[float], write: Callable[[float], str]) -> str:
    """Format a change as `first → last`, each the mean over a tenth of the values; a dash without values."""
    if not values:
        return "-"
    tenth = max(1, len(values) // 10)
    first, last = (sum(part) / len(part) for part in (values[:tenth], values[-tenth:]))
    return f"{write(first)} → {write(last)}"
