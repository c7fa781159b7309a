import pytest

from acereason.runs.report.words import amount, arrow, duration, listed, number, percent


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (percent, 0.8825, "88.2 %"),
        (percent, float("nan"), "-"),
        (number, 1234567.8, "1,234,568"),
        (number, 39.32, "39.3"),
        (number, 8.0, "8"),
        (number, 0.000123456, "0.000123"),
        (number, float("nan"), "-"),
        (amount, 812345, "0.8 million"),
        (amount, 7.6e9, "7.6 billion"),
        (amount, 499999, "499,999"),
        (duration, 93784, "1 d 2 h"),
        (duration, 59.6, "1 min"),
        (duration, 0.2, "0 s"),
    ],
)
def test_numbers_as_people_write_them(write, value, text):
    assert write(value) == text


def test_listed():
    assert [listed(words) for words in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]


def test_an_arrow_goes_between_means_of_tenths():
    assert arrow([0.0, 2.0, *[9.0] * 16, 4.0, 6.0], number) == "1 → 5"
    assert arrow([3.0], number) == "3 → 3"
    assert arrow([], number) == "-"
