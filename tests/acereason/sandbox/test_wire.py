import json
import math
import re
from array import array
from collections import Counter, OrderedDict, deque
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from pathlib import PosixPath
from uuid import UUID

import pytest

from acereason.sandbox import wire


class Liar(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__

    def __repr__(self):
        return "42"

    __str__ = __int__ = __index__ = __repr__


class Text(str):
    def __eq__(self, other):
        return True

    __hash__ = str.__hash__

    def __str__(self):
        return "lie"


class Items(list):
    def __eq__(self, other):
        return True

    def __iter__(self):
        return iter([42])


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -(2**53), 2**100, 1.5, "é\n", b"\x00\xff", 1 + 2j, [], [1, [2]], (1, (2,)), {1, 2}, {},
        {(1, 2): {"a": 1}},
        frozenset("a"), deque([1]), range(3), Decimal("1.50"), Fraction(-1, 3), {"int": "0x1"}, {1: 2, "1": 3},
        OrderedDict(a=1), Counter("aab"), date(2024, 2, 29), datetime(2024, 2, 29, 1, 2, 3, 4), timedelta(1, 2, 3),
        time(1, 2), UUID(int=5), PosixPath("/a/b"), array("i", [1, 2]), slice(1, None, 2), re.compile("a", re.I), ...,
        {1: 2}.keys(), {1: (2,)}.items(),
    ],
)  # fmt: skip
def test_plain_data_arrives_as_it_was(value):
    arrived = wire.loads(wire.dumps(value))
    assert arrived == value
    assert type(arrived) is type(value)


def test_floats_that_equal_nothing_arrive_as_they_were():
    assert math.isnan(wire.loads(wire.dumps(math.nan)))
    assert wire.loads(wire.dumps(-math.inf)) == -math.inf


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Liar(0), 0),
        (Text("no"), "no"),
        (Items([0]), [0]),
        (IntEnum("Colour", "RED")(1), 1),
        ([Liar(7)], [7]),
    ],
)
def test_objects_that_lie_arrive_as_what_they_are(value, plain):
    arrived = wire.loads(wire.dumps(value))
    assert type(arrived) is type(plain)
    assert arrived == plain


def test_other_objects_are_opaque_or_references():
    assert isinstance(wire.loads(wire.dumps(print)), wire.Opaque)
    kept = []
    text = wire.dumps([print], lambda value: kept.append(value) or {"mine": 5})
    assert kept == [print]
    assert wire.loads(text, lambda name, number: (name, number)) == [("mine", 5)]


def test_a_value_that_contains_itself_is_refused():
    endless: list = []
    endless.append(endless)
    with pytest.raises(RecursionError):
        wire.dumps(endless)
    with pytest.raises(UnicodeEncodeError):
        wire.dumps("\ud800")


@pytest.mark.parametrize("text", ["", "{", '{"os.system": ["x"]}', '{"a": 1, "b": 2}', '{"set": [[]]}', "[" * 100_000])
def test_texts_of_somebody_else_only_raise(text):
    with pytest.raises((ValueError, KeyError, TypeError, RecursionError)):
        wire.loads(text)


def test_numbers_are_not_read_as_decimals():
    assert json.loads(wire.dumps(10**5000))["int"].startswith("0x")
