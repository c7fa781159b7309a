r"""Fill in the parts that dots leave out: other digits of `0.333\ldots`, other terms of `1, 2, \ldots, 10`."""

import re
from fractions import Fraction
from itertools import pairwise

from acereason.rewards.math.exact import as_latex, number

DOTS = r"\ldots"
"""The one spelling of three dots in a normal form."""
_WRITTEN = re.compile(r"\\(?:dots[bcimo]?|[ch]dots)(?![a-zA-Z])|\.(?:\s*\.){2,}|…")
_DIGIT = r"(?:\{\s*(\d)\s*\}|(\d))"
_MARKED = re.compile(
    rf"(?<![\d.])(\d*)\.(\d*)(?:\\dot\s*{_DIGIT}(\d*)\\dot\s*{_DIGIT}"
    r"|\\(?:overline|bar|dot|widehat)\s*(?:\{\s*(\d+)\s*\}|(\d)))(?:\s*\\ldots)?"
)
_IN_PARENTHESES = re.compile(r"(?<![^=\s+-])(\d*)\.(\d*)\((\d+)\)$")
_GOING_ON = re.compile(r"(?<![\d.])(\d*)\.(\d{2,60})\s*\\ldots(?!\s*\d)")
_MOST_TERMS = 64


def with_one_kind_of_dots(text: str) -> str:
    r"""Return the text with `\ldots` for every way to write three dots."""
    return _WRITTEN.sub(r"\\ldots ", text)


def without_repetition(text: str) -> str:
    r"""Return the text with a fraction for each decimal whose digits are said to repeat.

    Before dots, digits repeat where one can see it: 0.33..., 0.1666..., 0.1212...; 3.14159... stays.

    Example:
        >>> without_repetition(r"0.1\overline{6}"), without_repetition(r"0.333\ldots"), without_repetition("0.1(6)")
        ('\\frac{1}{6}', '\\frac{1}{3}', '\\frac{1}{6}')
    """
    if "." not in text:
        return text
    text = _MARKED.sub(_marked, text)
    text = _IN_PARENTHESES.sub(lambda found: _as_fraction(*found.groups()), text)
    return _GOING_ON.sub(_going_on, text) if DOTS in text else text


def with_all_terms(items: list[str]) -> list[str]:
    r"""Return the items of `1, 2, \ldots, 10` one by one; of a longer or endless list, as few as define it.

    Example:
        >>> with_all_terms(["1", DOTS, "4"]), with_all_terms(["1", "2", "3", DOTS, "n"])
        (['1', '2', '3', '4'], ['1', '2', '\\ldots', 'n'])
    """
    if items.count(DOTS) != 1:
        return items
    at = items.index(DOTS)
    first, last = [number(item) for item in items[:at]], [number(item) for item in items[at + 1 :]]
    known = [term for term in first if term is not None]
    if len(known) < len(first) or (step := _step(known, last)) is None:
        return items
    if not last or None in last:
        # why: 1, 2, \ldots and 1, 2, 3, \ldots are then the same list
        return [*map(as_latex, _told(known[0], *step)), DOTS, *items[at + 1 :]]
    return _to_the_end(known[0], *step, [term for term in last if term is not None]) or items


def _step(first: list[Fraction], last: list[Fraction | None]) -> tuple[Fraction, bool] | None:
    """Return the step between terms, and whether it is a factor; None where the terms show none."""
    # why: 1, \ldots, 10 counts by ones
    if len(first) == 1 and last and first[0].denominator == 1:
        end = last[-1]
        return Fraction(-1 if end is not None and end < first[0] else 1), False
    differences = {right - left for left, right in pairwise(first)}
    if len(differences) == 1 and 0 not in differences:
        return differences.pop(), False
    ratios = {right / left for left, right in pairwise(first)} if 0 not in first else set()
    return (ratios.pop(), True) if len(ratios) == 1 and not ratios & {1, -1} else None


def _told(term: Fraction, step: Fraction, multiplied: bool) -> list[Fraction]:
    """Return the terms that define a progression: two, or three of a geometric one."""
    return [term, term * step, term * step * step] if multiplied else [term, term + step]


def _to_the_end(term: Fraction, step: Fraction, multiplied: bool, last: list[Fraction]) -> list[str] | None:
    """Return all terms, or the defining ones of many; None where they don't end in the given last terms."""
    if not multiplied and (last[-1] - term) / step > _MOST_TERMS:
        whole = ((last[-1] - term) / step).denominator == 1 and {b - a for a, b in pairwise(last)} <= {step}
        return [*map(as_latex, _told(term, step, multiplied)), DOTS, as_latex(last[-1])] if whole else None
    terms = [term]
    while terms[-1] != last[-1] and len(terms) <= _MOST_TERMS:
        terms.append(terms[-1] * step if multiplied else terms[-1] + step)
    return [as_latex(term) for term in terms] if terms[-len(last) :] == last else None


def _marked(found: re.Match[str]) -> str:
    whole, fixed, *periods = found.groups()
    return _as_fraction(whole, fixed, "".join(part for part in periods if part))


def _going_on(found: re.Match[str]) -> str:
    whole, digits = found.groups()
    for length in range(1, len(digits) // 2 + 1):
        for start in range(len(digits) - 2 * length + 1):
            period, rest = digits[start : start + length], digits[start:]
            # why: after other digits, a digit that comes twice may be chance: 3.1411... does not repeat
            needed = 3 if start and length == 1 else 2
            if period.strip("0") and len(rest) >= needed * length and rest == (period * len(rest))[: len(rest)]:
                return _as_fraction(whole, digits[:start], period)
    return found[0]


def _as_fraction(whole: str, fixed: str, period: str) -> str:
    nines = 10 ** len(period) - 1
    return as_latex(Fraction(int(whole + fixed or "0") * nines + int(period), 10 ** len(fixed) * nines))
