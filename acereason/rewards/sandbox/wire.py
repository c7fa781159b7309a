"""Values between a program and the examiner, as JSON of plain data.

A decoded value has exactly Python's own types: objects that lie about equality, length or their text stay behind. What
is no plain data crosses as a reference, if at all.
"""

import json
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

_NAMED: dict[str, tuple[type, Callable[[Any], Any]]] = {
    "bytes": (bytes, list),
    "bytearray": (bytearray, list),
    "complex": (complex, lambda value: [value.real, value.imag]),
    "Decimal": (Decimal, Decimal.__str__),
    "Fraction": (Fraction, lambda value: [hex(value.numerator), hex(value.denominator)]),
    "range": (range, lambda value: [value.start, value.stop, value.step]),
}
_SEQUENCES: dict[str, tuple[type, Callable[[Any], Any]]] = {
    "tuple": (tuple, tuple.__iter__),
    "set": (set, set.__iter__),
    "frozenset": (frozenset, frozenset.__iter__),
    "deque": (deque, deque.__iter__),
}
_SMALL = 2**53


class Opaque:
    """What stands for a reference where nobody can follow it: equal to nothing but itself."""


def dumps(value: Any, refer: Callable[[Any], int] | None = None) -> str:
    """A value as one line of JSON. `refer` gives objects that are no plain data a number; without it they are opaque.

    Raises:
        RecursionError, ValueError: the value contains itself, or text that is no valid Unicode.
    """
    text = json.dumps(encode(value, refer), ensure_ascii=False, separators=(",", ":"))
    text.encode()
    return text


def loads(text: str | bytes, resolve: Callable[[int], Any] | None = None) -> Any:
    """The value of `dumps`. `resolve` turns a reference's number into an object.

    Raises:
        ValueError, RecursionError, TypeError, KeyError: no such text; the sender isn't trusted.
    """
    return decode(json.loads(text), resolve)


def encode(value: Any, refer: Callable[[Any], int] | None = None) -> Any:
    """A value as JSON data: lists stay lists, everything without a JSON type of its own is `{name: content}`."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, int):
        number = int.__add__(value, 0)  # subclasses lose whatever they override
        return number if -_SMALL < number < _SMALL else {"int": hex(number)}
    if isinstance(value, float):
        return float.__add__(value, 0.0)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, list):
        return [encode(item, refer) for item in list.__iter__(value)]
    if isinstance(value, dict):
        return {"dict": [[encode(key, refer), encode(item, refer)] for key, item in dict.items(value)]}
    for name, (kind, iterate) in _SEQUENCES.items():
        if isinstance(value, kind):
            return {name: [encode(item, refer) for item in iterate(value)]}
    for name, (kind, content) in _NAMED.items():
        if isinstance(value, kind):
            return {name: content(value)}
    return {"reference": refer(value) if refer else 0}


def decode(data: Any, resolve: Callable[[int], Any] | None = None) -> Any:
    """The value of `encode`."""
    if isinstance(data, list):
        return [decode(item, resolve) for item in data]
    if not isinstance(data, dict):
        return data
    ((name, content),) = data.items()
    if name == "int":
        return int(content, 16)
    if name == "dict":
        return {decode(key, resolve): decode(item, resolve) for key, item in content}
    if name == "reference":
        return resolve(content) if resolve else Opaque()
    if name in _SEQUENCES:
        return _SEQUENCES[name][0](decode(item, resolve) for item in content)
    if name == "Fraction":
        return Fraction(int(content[0], 16), int(content[1], 16))
    kind, _ = _NAMED[name]
    return kind(*content) if name in ("complex", "range") else kind(content)
