import random
from math import sqrt

import pytest

from acereason.evaluation.bands import BANDS, banded
from acereason.evaluation.results import Result
from tests.support.evaluations import result_by_counts


def test_by_hand():
    # the three wrong responses of a are in 20 to 40 % (one of the other three is right), its right one is in 0 %
    first, second = result_by_counts(a=1, b=0), result_by_counts(a=2, b=1)
    nothing, below_20, below_40, *rest = banded(first, [second])
    assert nothing[0].problems == below_40[0].problems + 0.5 == 1.25
    assert nothing[0].rate == pytest.approx(0.25 / 1.25)
    assert nothing[0].stderr == pytest.approx(sqrt(2 * ((0.25 * 0.8) ** 2 + 0.2**2)) / 1.25)
    assert nothing[1].rate == pytest.approx((0.25 * 0.5 + 0.25) / 1.25)
    assert (below_40[0].rate, below_40[1].rate) == (0, 0.5)
    assert below_40[0].stderr is None
    assert [below_20, *rest] == [[None, None]] * 4


@pytest.mark.parametrize(
    ("correct", "bands"),
    [(0, [0]), (1, [0, 2]), (2, [2, 3]), (3, [3, 4]), (4, [4, 5]), (5, [5]), (6, [5])],
)
def test_six_responses_are_in_the_bands_of_five(correct, bands):
    """0, 1, 2, 3, 4 and 5 of five others lie on the edges: 20 % is of 20 to 40 %."""
    found = banded(result_by_counts(6, a=correct), [])
    assert [BANDS[number] for number, row in enumerate(found) if row[0]] == [BANDS[number] for number in bands]


def test_whole_problems_have_the_usual_error():
    counts = {"a": 0, "b": 0, "c": 0}
    (nothing, *_) = banded(result_by_counts(**counts), [result_by_counts(a=0, b=1, c=2)])
    assert (nothing[1].rate, nothing[1].stderr) == (0.25, pytest.approx(0.25 / sqrt(3)))


def test_problems_that_one_policy_lacks_count_for_the_other():
    (nothing, *_) = banded(result_by_counts(a=0, b=0), [result_by_counts(b=4)])
    assert (nothing[0].problems, nothing[1].problems, nothing[1].rate) == (2, 1, 1)


def test_one_response_leaves_no_other():
    assert banded(result_by_counts(1, a=1, b=0), [result_by_counts(a=1)]) == [[None, None]] * len(BANDS)


def measured(rates: list[float], seed: int) -> Result:
    generator = random.Random(seed)
    counts = {f"p{i}": sum(generator.random() < rate for _ in range(8)) for i, rate in enumerate(rates)}
    return result_by_counts(8, **counts)


def test_the_same_policy_measured_twice_gains_in_no_band():
    """In the bands of all responses it would: a problem that is solved at one in ten is in 0 % of eight at times."""
    generator = random.Random(0)
    rates = [generator.random() for _ in range(600)]
    first, second = measured(rates, 1), measured(rates, 2)
    rows = banded(first, [second])
    assert all(abs(a.rate - b.rate) < 2.5 * sqrt(a.stderr**2 + b.stderr**2) for a, b in rows)
    never = [name for name, rate in first.rates().items() if rate == 0]
    assert sum(second.rates()[name] for name in never) / len(never) > 0.05
