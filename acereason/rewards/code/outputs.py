"""Compare a program's answer with the expected one, by one of two named comparators.

`strict` is for training, where a policy finds generous rules and exploits them. `livecodebench` follows
LiveCodeBench's own grader (`lcb_runner/evaluation/testing_util.py`), for scores that compare with published ones.

| | strict | livecodebench |
|---|---|---|
| lines | as many, blank ones at both ends aside | the same |
| a line | equal word by word, numbers by value | equal text, or all words numbers and equal by value |
| a number | ASCII: `1`, `+1.50`, `1e3`, up to 400 characters | what `Decimal` reads: `1_000`, full-width digits |
| exit code | must be 0 | any, unless an exception ended the program |
| values | equal when tuples are lists and keys are text | equal when the outermost tuple is a list |
"""

import re
from decimal import Decimal, DecimalException
from typing import Any

from acereason.rewards.code.settings import Comparator

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_LONGEST_NUMBER = 400


def same_text(comparator: Comparator, expected: str, actual: str) -> bool:
    """Return whether printed text equals the expected text."""
    same_line = _same_line_strictly if comparator == "strict" else _same_line_as_livecodebench
    left, right = _unify(expected), _unify(actual)
    if left.count("\n") != right.count("\n"):
        return False
    return all(a == b or same_line(a, b) for a, b in zip(_lines(left), _lines(right), strict=True))


def same_value(comparator: Comparator, expected: Any, actual: Any) -> bool:
    """Return whether a returned value equals the expected one, which comes from JSON."""
    if comparator == "livecodebench":
        # why: LiveCodeBench's grader turns the outermost tuple into a list, and no inner one
        actual = list(actual) if isinstance(actual, tuple) else actual
        return bool(actual == expected)
    return bool(_as_json(actual) == _as_json(expected))


def _unify(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n")]


def _same_line_strictly(expected: str, actual: str) -> bool:
    # why: a line of megabytes can't be equal; it is refused before it is split into as many words
    if len(actual) > _LONGEST_NUMBER * (len(expected) + 1):
        return False
    left, right = expected.split(), actual.split()
    return len(left) == len(right) and all(a == b or _same_number(a, b) for a, b in zip(left, right, strict=True))


def _same_number(left: str, right: str) -> bool:
    if max(len(left), len(right)) > _LONGEST_NUMBER:
        return False
    return bool(_NUMBER.fullmatch(left) and _NUMBER.fullmatch(right)) and Decimal(left) == Decimal(right)


def _same_line_as_livecodebench(expected: str, actual: str) -> bool:
    try:
        left, right = ([Decimal(word) for word in line.split()] for line in (expected, actual))
        return left == right
    # why: as in LiveCodeBench: a word is no number, and equal text was decided before
    except DecimalException:
        return False


def _as_json(value: Any) -> Any:
    """Return a value as JSON would bring it back: tuples as lists, keys as text."""
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    if isinstance(value, dict):
        return {_key(key): _as_json(item) for key, item in value.items()}
    return value


def _key(key: Any) -> str:
    # why: JSON writes these keys as null, true and false, where str() gives None, True and False
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    return str(key)
