from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from acereason.data.values import (
    Spelled,
    answers_of,
    answers_text,
    check_unicode,
    day_of,
    identity_of,
    number_of,
    plain,
    same,
    text_of,
    whole,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.10", "0.10"),
        (Spelled("0.10"), "0.10"),
        (Spelled("1e5"), "1e5"),
        (Spelled("1" * 5000), "1" * 5000),
        (9007199254740993, "9007199254740993"),
        (2**80 + 1, "1208925819614629174706177"),
        (142.0, "142"),
        (0.1, "0.1"),
        (1e300, "1e+300"),
        (Decimal("1.50"), "1.50"),
        (True, "true"),
        (None, ""),
        (float("nan"), ""),
    ],
)
def test_a_text_is_the_files(value, text):
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ([1], "a list"),
        ({"value": 5}, "a mapping"),
        (datetime(2024, 8, 1), "a time stamp"),
        (date(2024, 8, 1), "a date"),
        (timedelta(1), "a duration"),
        (b"x", "bytes"),
        (float("inf"), "the number inf"),
    ],
)
def test_what_is_no_text_is_said(value, kind):
    with pytest.raises(ValueError, match=f"^{kind}, not a text$"):
        text_of(value)


@pytest.mark.parametrize(
    ("value", "answers"),
    [
        (r"\frac12 ", [r"\frac12"]),
        ([r"\frac12", 0.5, Spelled("0.50")], [r"\frac12", "0.5", "0.50"]),
        (r'["\\frac12", "0.5"]', [r"\frac12", "0.5"]),
        ("[1, 2]", ["[1, 2]"]),  # an interval
        ('["a", 1]', ['["a", 1]']),
        ("[broken", ["[broken"]),
        ([], []),
        (" ", []),
        (None, []),
    ],
)
def test_acceptable_answers(value, answers):
    assert answers_of(value) == answers
    assert answers_of(answers_text(answers)) == answers


@pytest.mark.parametrize("value", [[None], ["x", " "], [[1]], [{"a": 1}], {"a": 1}])
def test_answers_that_can_be_none(value):
    with pytest.raises(ValueError, match="of which one is empty|not a text"):
        answers_of(value)


def test_ids():
    assert [identity_of(value) for value in ("a/b", 7, 2**70)] == ["a/b", "7", str(2**70)]
    for value in (None, " ", float("nan"), 1.0, Spelled("1.0"), True, [1]):
        with pytest.raises(ValueError, match="no id|not a text or an integer"):
            identity_of(value)


@pytest.mark.parametrize(
    ("value", "number"),
    [("Level 5", 5), ("0.96875", 0.96875), (".5 of them", 0.5), (1e-7, 1e-7), ("1e-7", 1e-7), ("Level-5", 5)]
    + [("n/a", None), (None, None), (float("nan"), None), (True, None), ([3], None)],
)
def test_the_first_number(value, number):
    assert number_of(value) == number


def test_days():
    values = ["2024-08-01", "2024-08-01T23:59:00", "2024-08-01 00:00:00", date(2024, 8, 1), datetime(2024, 8, 1, 9)]
    assert {day_of(value) for value in values} == {"2024-08-01"}
    assert day_of(None) is day_of("") is None
    for value in ("Sep 7, 2024", "09/07/2024", "2024-13-01", 20240801):
        with pytest.raises(ValueError, match="is not a date such as|month must be in"):
            day_of(value)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (5, 5.0, True),
        (5, "5", True),
        ("5.0", 5, True),
        (Spelled("0.10"), "0.1", True),
        (True, "true", True),
        ("True", True, True),
        (None, float("nan"), True),
        (2**60 + 1, 2**60, False),
        (True, 1, False),
        (None, "null", False),
        ("007", 7, False),
        ("x", "y", False),
    ],
)
def test_what_where_takes_for_the_same(one, other, equal):
    assert same(one, other) is same(other, one) is equal


def test_integers_of_any_size():
    assert whole("-12") == -12
    assert (text_of(whole("-0")), text_of(whole("9" * 4301))) == ("-0", "9" * 4301)
    assert plain({"a": [Spelled("0.10"), 1]}) == {"a": [0.1, 1]}
    assert type(plain(Spelled("0.10"))) is float
    with pytest.raises(ValueError, match="an integer of 4,301 digits; 4,300 can be read"):
        plain([whole("9" * 4301)])


def test_half_a_surrogate_pair():
    check_unicode("\N{PILE OF POO}")
    with pytest.raises(ValueError, match="half of a surrogate pair at character 3"):
        check_unicode("ab\ud83d")
