import pytest

from acereason.algorithm.calibration import Trial, temperature_for, verdict


def trials(*pairs: tuple[float, float]) -> list[Trial]:
    return [
        Trial(temperature, entropy, entropy + 0.1, reward=0.5, truncated=0.1, length=20.4)
        for temperature, entropy in pairs
    ]


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(0.6, 0.1), (1.0, 0.5)], 0.8),  # half of the way from 0.1 to 0.5
        ([(1.0, 0.5), (0.6, 0.1)], 0.8),  # in any order
        ([(0.6, 0.1), (0.8, 0.25), (1.0, 0.75)], 0.82),
        ([(0.6, 0.4), (0.8, 0.2), (1.0, 0.4)], 0.7),  # the first crossing
        ([(0.6, 0.3), (1.0, 0.5)], 0.6),
        ([(0.6, 0.31), (1.0, 0.5)], None),
        ([(0.6, 0.3)], None),
        ([(0.6, 0.3), (1.0, 0.3)], None),  # it says nothing of the temperature
    ],
)
def test_the_temperature_by_hand(pairs, expected):
    found = temperature_for(trials(*pairs), target=0.3)
    assert found == (None if expected is None else pytest.approx(expected))


def test_the_verdict_says_where_to_look():
    none = "no temperature of these gives entropy 0.3; sweep"
    assert verdict(trials((0.6, 0.1), (1.0, 0.5)), 0.3) == "temperature 0.800 gives entropy 0.3"
    assert verdict(trials((0.6, 0.1), (1.0, 0.2)), 0.3) == f"{none} higher ones"
    assert verdict(trials((0.6, 0.4), (1.0, 0.5)), 0.3) == f"{none} lower ones"
