import pytest

from acereason.common.ratings import Rating, ratings_of


def test_by_hand():
    rows = [("a", "correct", 10), ("a", "wrong", 20), ("a", "error", 60), ("b", None, 7), ("c", "wrong", 1)]
    found = {key: rating.columns() for key, rating in ratings_of(rows).items()}
    assert found == {
        "a": {"judged": 2, "pass_rate": 0.5, "difficulty": 0.5, "mean_tokens": 30.0},
        "b": {"judged": 0, "pass_rate": None, "difficulty": None, "mean_tokens": 7.0},
        "c": {"judged": 1, "pass_rate": 0.0, "difficulty": 1.0, "mean_tokens": 1.0},
    }


@pytest.mark.parametrize("judged", [8, 10, 16, 64])
def test_a_bound_in_tenths_or_sixteenths_is_met_exactly(judged):
    for correct in range(judged + 1):
        rating = Rating(correct, judged, judged)
        assert (rating.pass_rate, rating.difficulty) == (correct / judged, (judged - correct) / judged)


def test_nothing_is_none():
    assert Rating().columns() == {"judged": 0, "pass_rate": None, "difficulty": None, "mean_tokens": None}
