r"""Compare expressions that math-verify reads: as exact or 30-digit numbers, else symbolically. This is the slow path.

Guards stand where math-verify is too generous: it rounds to 6 decimals, folds case, and drops the base of `204_5`. Its
own time-outs are signals that fail off the main thread and are switched off; `acereason.rewards.pool` bounds the time.
"""

import contextlib
import re
import signal
import threading
from collections.abc import Iterator
from functools import lru_cache
from types import FrameType
from typing import Any

from acereason.rewards.math.dots import DOTS

_NOISE, _SAME = 1e-12, 1e-20
"""Relative difference within which a decimal of 15 digits, or two evaluations of exact numbers, are one number."""
_DIGITS = 30
_EXACTLY_ABOVE = 1e15
"""Numbers beyond it that agree to 20 digits may still differ by 1: 2^{100} and 2^{100} - 1."""
_READING_SECONDS = 2.0
"""CPU seconds for reading and evaluating one side."""
_BASE = re.compile(r"(\d+)\s*_\s*\{?\s*(\d+|\\text\s*\{\s*\w+\s*\})\s*\}?")
_LETTERS = re.compile(r"\\text\s*\{[^{}]*\}|\\[a-zA-Z]+|([a-zA-Z])")


class Unparsable(ValueError):
    """math-verify can't read the ground truth, or not in time."""


class _TooCostly(BaseException):
    """Raised by a signal; a BaseException, since sympy and math-verify swallow every Exception."""


_TOO_COSTLY = (_TooCostly, MemoryError, RecursionError, OverflowError)


def equal_expressions(answer: str, response: str, slack: float = 0.0) -> tuple[bool, str]:
    """Return whether two normalized expressions are equal, and the path that decided.

    Args:
        slack: absolute difference that a rounded decimal may have.

    Raises:
        Unparsable: math-verify can't read the ground truth, or not in time.
    """
    gold, target = read_answer(answer)
    if (difference := _difference_in_writing(answer, response)) is not None:
        return False, difference
    try:
        found, value = _read(response)
    # why: a response that can't be read in time is wrong; only a ground truth makes that an error
    except _TOO_COSTLY:
        return False, "too costly to evaluate"
    if found is None:
        return False, "unparsable response"
    if (same := _equal_values(gold, found, target, value, slack)) is not None:
        return same, "equal value"
    return _equal_by_math_verify(gold, found), "math-verify"


@lru_cache(maxsize=4096)
def read_answer(answer: str) -> tuple[Any, Any]:
    """Return the ground truth as sympy reads it, and its real value, cached in each process; raises Unparsable."""
    try:
        found, value = _read(answer)
    except _TOO_COSTLY as error:
        raise Unparsable(f"answer {answer!r} is too costly to evaluate") from error
    if found is None:
        raise Unparsable(f"unparsable answer {answer!r}")
    return found, value


def _read(latex: str) -> tuple[Any, Any]:
    """Return a sympy object and its real value; raises one of _TOO_COSTLY."""
    # why: loaded before the time of reading begins
    import math_verify  # noqa: F401

    with _cpu_limit(_READING_SECONDS):
        found = _parse(latex)
        return found, _value(found)


def _parse(latex: str) -> Any:
    """Return a sympy object; None where the text is no mathematics that math-verify reads."""
    # why: math-verify would leave them out, and 1+2+\ldots+9 be 12
    if DOTS in latex:
        return None
    # why: these load sympy, for half a second that only verifiers should pay
    from latex2sympy2_extended.math_normalization import NormalizationConfig
    from math_verify import LatexExtractionConfig, parse

    # why: its rules for units would eat the t of 2t
    spelling = NormalizationConfig(units=False, malformed_operators=True, boxed="last")
    whole = LatexExtractionConfig(False, boxed_match_priority=0, normalization_config=spelling)
    # why: first_match: where the whole can't be read, no part of it is taken instead
    found = parse(rf"\boxed{{{latex}}}", [whole], "no_fallback", extraction_mode="first_match", parsing_timeout=None)
    return _with_imaginary_unit(found[0]) if found else None


def _with_imaginary_unit(expression: Any) -> Any:
    """Read `i` as the imaginary unit, unless it counts the terms of a sum or product."""
    from sympy import Expr, I, Product, Sum

    if not isinstance(expression, Expr) or expression.has(Sum, Product):
        return expression
    units = [symbol for symbol in expression.free_symbols if symbol.name == "i"]
    return expression.subs(dict.fromkeys(units, I)) if units else expression


def _value(expression: Any) -> Any:
    """Return an expression's real value to 30 digits; None for one with symbols, or that is no real number."""
    from sympy import Expr

    if not isinstance(expression, Expr) or expression.free_symbols:
        return None
    value = expression.evalf(_DIGITS)
    return value if value.is_Number and value.is_finite else None


def _equal_values(gold: Any, found: Any, target: Any, value: Any, slack: float) -> bool | None:
    """Compare two numbers; None where one is no number, or where cancellation leaves no digits to compare."""
    from sympy import Float, Rational

    if target is None or value is None:
        return None
    if isinstance(gold, Rational) and isinstance(found, Rational):
        return bool(gold == found)
    # why: sympy lowers a number's precision, in bits, where digits have cancelled
    if min(getattr(number, "_prec", 1) for number in (target, value)) < 3 * _DIGITS:
        return None
    rounded = gold.has(Float) or found.has(Float)
    close = bool(abs(target - value) <= max(slack, (_NOISE if rounded else _SAME) * abs(target)))
    if not close or rounded or abs(target) < _EXACTLY_ABOVE:
        return close
    # why: 2^{100} and 2^{100} - 1 agree to 20 digits; only the exact difference tells them apart
    difference = (gold - found).doit()
    return bool(difference == 0) if difference.is_Rational else None


def _equal_by_math_verify(gold: Any, found: Any) -> bool:
    from math_verify import verify

    # why: verify is not symmetric: the ground truth comes first
    return verify(
        gold, found, float_rounding=12, allow_set_relation_comp=True, timeout_seconds=None, raise_on_error=True
    )


def _difference_in_writing(answer: str, response: str) -> str | None:
    """Return a difference that math-verify overlooks: another number base, or a letter of the other case."""
    bases, other_bases = _BASE.findall(answer), _BASE.findall(response)
    if bases != other_bases:
        return "another number base"
    letters, others = _letters(answer), _letters(response)
    if letters != others and {letter.lower() for letter in letters} == {letter.lower() for letter in others}:
        return "letters differ in case"
    return None


def _letters(text: str) -> set[str]:
    return {letter for letter in _LETTERS.findall(text) if letter}


@contextlib.contextmanager
def _cpu_limit(seconds: float) -> Iterator[None]:
    """Raise _TooCostly, again and again, once the block has used that much CPU; without effect off the main thread."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise _TooCostly

    # why: Python runs signal handlers in the main thread alone
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGVTALRM, stop)
    # why: repeated, since a bare `except` in a library may swallow the first
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 0.5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
