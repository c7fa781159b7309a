import pytest

from acereason.rewards.code.outputs import same_text, same_value

TEXT = [  # expected, actual, strict, livecodebench
    ("5\n", "5", True, True),
    ("", "\n", True, True),
    ("1\n", "1\n2\n", False, False),
    ("1\n2", "1\n\n2", False, False),
    ("1\r\n2\r\n", "1\n2\n", True, True),
    ("a b\n", "  a b  \n", True, True),
    ("1 2", "1   2", True, True),
    ("a b", "a  b", True, False),
    ("1", "1.0", True, True),
    ("0.0", "-0.0", True, True),
    ("x 1", "x 1.0", True, False),
    ("1000", "1e3", True, True),
    ("5", "+5", True, True),
    ("5", "5.", True, True),
    ("1000", "1_000", False, True),
    ("12", "１２", False, True),
    ("1000000", "1000000.0001", False, False),
    ("0.3", "0.30000000000000004", False, False),
    ("Yes", "YES", False, False),
    ("1 2", "2 1", False, False),
    ("\u00e9", "e\u0301", False, False),
    ("nan", "nan", True, True),
    ("NaN", "nan", False, False),
    ("inf", "Infinity", False, True),
    ("1 2 3", "1 2", False, False),
    ("1", "", False, False),
    ("1e1000000000000000000000", "1", False, False),
    ("1" * 500, "1" * 500 + ".0", False, True),
]


@pytest.mark.parametrize(("expected", "actual", "strict", "livecodebench"), TEXT)
def test_text(expected, actual, strict, livecodebench):
    assert same_text("strict", expected, actual) is strict
    assert same_text("livecodebench", expected, actual) is livecodebench


VALUES = [
    (3, 3, True, True),
    (1, True, True, True),
    (1, 1.0, True, True),
    (0.3, 0.1 + 0.2, False, False),
    ([1, 2], (1, 2), True, True),
    ([[1, 2]], [(1, 2)], True, False),
    ({"1": "a"}, {1: "a"}, True, False),
    ({"true": 1}, {True: 1}, True, False),
    (None, None, True, True),
    (0, None, False, False),
    ([], None, False, False),
    ([1, 2], {1, 2}, False, False),
    ("a", ["a"], False, False),
]


@pytest.mark.parametrize(("expected", "actual", "strict", "livecodebench"), VALUES)
def test_values(expected, actual, strict, livecodebench):
    assert same_value("strict", expected, actual) is strict
    assert same_value("livecodebench", expected, actual) is livecodebench
