"""Encode the values that pass between a program and its examiner, as JSON of plain data.

A decoded value has exactly Python's own types: objects that lie about equality, length or their text stay behind. An
object that is no plain data crosses as a reference of its owner (`refer`); without `refer` it is opaque.
"""

import array
import datetime
import json
import pathlib
import re
import sys
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from types import ModuleType
from typing import Any

_NAMED: dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "bytes": (bytes, list, bytes),
    "bytearray": (bytearray, list, bytearray),
    "complex": (complex, lambda value: [value.real, value.imag], lambda parts: complex(*parts)),
    "Decimal": (Decimal, Decimal.__str__, Decimal),
    "Fraction": (Fraction, lambda value: [hex(value.numerator), hex(value.denominator)],
                 lambda parts: Fraction(int(parts[0], 16), int(parts[1], 16))),
    "range": (range, lambda value: [value.start, value.stop, value.step], lambda parts: range(*parts)),
    "datetime": (datetime.datetime, datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    "date": (datetime.date, datetime.date.isoformat, datetime.date.fromisoformat),
    "time": (datetime.time, datetime.time.isoformat, datetime.time.fromisoformat),
    "timedelta": (datetime.timedelta, lambda value: [value.days, value.seconds, value.microseconds],
                  lambda parts: datetime.timedelta(*parts)),
    "UUID": (uuid.UUID, str, uuid.UUID),
    "PosixPath": (pathlib.PosixPath, str, pathlib.PosixPath),
    "PurePosixPath": (pathlib.PurePosixPath, str, pathlib.PurePosixPath),
    "array": (array.array, lambda value: [value.typecode, list(value)], lambda parts: array.array(*parts)),
    "Pattern": (re.Pattern, lambda value: [value.pattern, value.flags], lambda parts: re.compile(*parts)),
    "ellipsis": (type(...), lambda value: 0, lambda content: ...),
    "NotImplemented": (type(NotImplemented), lambda value: 0, lambda content: NotImplemented),
}  # fmt: skip
"""Name -> type, its content in JSON, and back; subclasses before their bases."""
_SEQUENCES: dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "tuple": (tuple, tuple.__iter__, tuple),
    "set": (set, set.__iter__, set),
    "frozenset": (frozenset, frozenset.__iter__, frozenset),
    "deque": (deque, deque.__iter__, deque),
    "slice": (slice, lambda value: [value.start, value.stop, value.step], lambda parts: slice(*parts)),
    "keys": (type({}.keys()), list, lambda items: dict.fromkeys(items).keys()),
    "values": (type({}.values()), list, lambda items: dict(enumerate(items)).values()),
    "items": (type({}.items()), list, lambda items: dict(items).items()),
    "OrderedDict": (OrderedDict, dict.items, OrderedDict),
    "Counter": (Counter, dict.items, lambda items: Counter(dict(items))),
    "defaultdict": (defaultdict, dict.items, lambda items: defaultdict(None, items)),
}
"""Name -> type, its members, and back."""
_BY_TYPE = {kind: name for table in (_NAMED, _SEQUENCES) for name, (kind, _, _) in table.items()}
_EXACT = {type(None), bool, int, float, str, list, dict, *_BY_TYPE}
_SMALL = 2**53
_DEEPEST = 400
"""Levels of nesting that the other side can read with Python's usual limit of recursion."""
_NUMBERS = "biufcSUMm"
"""Kinds (`dtype.kind`) of NumPy's arrays that hold no objects."""


class Opaque:
    """A stand-in for an object that stayed where it is: equal to nothing but itself."""


def dumps(value: Any, refer: Callable[[Any], Any] | None = None) -> str:
    """Return a value as one line of JSON. `refer` tells how other objects than plain data cross; else they are opaque.

    Raises:
        RecursionError, ValueError: the value contains itself, or text that is no valid Unicode.
    """
    text = json.dumps(encode(value, refer), ensure_ascii=False, separators=(",", ":"))
    # why: half of a surrogate pair raises here, where its owner can tell; it could not be sent
    text.encode()
    return text


def loads(text: str | bytes, resolve: Callable[[str, Any], Any] | None = None) -> Any:
    """Return the value of a text from `dumps`. `resolve` turns a reference of `refer` into an object.

    Raises:
        ValueError, RecursionError, TypeError, KeyError: it is no text from `dumps`; the sender isn't trusted.
    """
    return decode(json.loads(text), resolve)


def encode(value: Any, refer: Callable[[Any], Any] | None = None, depth: int = 0) -> Any:
    """Return a value as JSON data: lists stay lists, a value whose type JSON lacks is `{name: content}`.

    With `refer` only exactly Python's own types cross by value; without it subclasses lose whatever they override.
    """
    # why: by identity: a program's object may claim to equal anything
    if value is None or value is True or value is False:
        return value
    if type(value) not in _EXACT:
        if numpy := _numpy_of(value):
            return _encode_array(value, numpy)
        if refer:
            return refer(value)
    return _encode_plain(value, refer, depth)


def plain(value: Any, refer: Callable[[Any], Any]) -> Any:
    """Encode as `encode` does, but an instance of a subclass as the data of its base."""
    return _encode_plain(value, refer, 0)


def decode(data: Any, resolve: Callable[[str, Any], Any] | None = None) -> Any:
    """Return the value of data from `encode`; NumPy's arrays are lists where there is no `resolve`."""
    if isinstance(data, list):
        return [decode(item, resolve) for item in data]
    if not isinstance(data, dict):
        return data
    ((name, content),) = data.items()
    if name == "int":
        return int(content, 16)
    if name == "dict":
        return {decode(key, resolve): decode(item, resolve) for key, item in content}
    if name in _SEQUENCES:
        return _SEQUENCES[name][2]([decode(item, resolve) for item in content])
    if name in _NAMED:
        return _NAMED[name][2](content)
    if name == "array of numpy":
        return _decode_array(content, sys.modules.get("numpy") if resolve else None)
    if resolve:
        return resolve(name, content)
    if name != "opaque":
        raise KeyError(name)
    return Opaque()


def _encode_plain(value: Any, refer: Callable[[Any], Any] | None, depth: int) -> Any:
    if isinstance(value, int):
        # why: the base's own methods, here and below: a subclass may override them to lie
        number = int.__add__(value, 0)
        # why: in hex, since Python reads no decimals of more than 4,300 digits
        return number if -_SMALL < number < _SMALL else {"int": hex(number)}
    if isinstance(value, float):
        return float.__add__(value, 0.0)
    if isinstance(value, str):
        return str.__str__(value)
    if depth > _DEEPEST:
        raise RecursionError("a value contains itself, or nests too deep")
    if isinstance(value, list):
        return [encode(item, refer, depth + 1) for item in list.__iter__(value)]
    name = _BY_TYPE.get(type(value)) or _base_of(value)
    if name in _SEQUENCES:
        return {name: [encode(item, refer, depth + 1) for item in _SEQUENCES[name][1](value)]}
    if isinstance(value, dict):
        return {
            "dict": [[encode(key, refer, depth + 1), encode(item, refer, depth + 1)] for key, item in dict.items(value)]
        }
    if name in _NAMED:
        return {name: _NAMED[name][1](value)}
    return refer(value) if refer else {"opaque": 0}


def _base_of(value: Any) -> str:
    return next((name for kind, name in _BY_TYPE.items() if isinstance(value, kind)), "")


def _numpy_of(value: Any) -> ModuleType | None:
    """Return NumPy where the value is an array or number of it, without objects; else None."""
    # why: not imported: where NumPy isn't loaded, no value can be of it
    numpy = sys.modules.get("numpy")
    known = numpy and type(value).__module__ == "numpy" and isinstance(value, (numpy.ndarray, numpy.generic))
    return numpy if known and value.dtype.kind in _NUMBERS else None


def _encode_array(value: Any, numpy: ModuleType) -> dict[str, Any]:
    shape = list(value.shape) if isinstance(value, numpy.ndarray) else None
    numbers = value.astype(str) if value.dtype.kind in "MmS" else value
    return {"array of numpy": [str(value.dtype), shape, encode(numbers.tolist())]}


def _decode_array(content: Any, numpy: ModuleType | None) -> Any:
    kind, shape, numbers = content[0], content[1], decode(content[2])
    if numpy is None:
        return numbers
    # why: the kind is the sender's text, and a program may send anything
    if numpy.dtype(kind).kind not in _NUMBERS:
        raise ValueError(f"no array of {kind} crosses")
    made = numpy.array(numbers, dtype=kind)
    return made.reshape(shape) if shape is not None else made[()]
