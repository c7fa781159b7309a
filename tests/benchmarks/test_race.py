import pytest

from benchmarks.race import Contestant, median_ratio, peak_bytes, race


def test_contestants_take_turns_and_the_first_round_warms_up(tmp_path):
    diary = tmp_path / "diary"
    contestants = {
        name: Contestant("tests.support.contestants:walk", (3 * 2, str(diary), name, units))
        for name, units in {"a": 5, "b": 7}.items()
    }
    turns = race(contestants, rounds=2, steps=2)
    assert diary.read_text().split() == ["a", "a", "b", "b"] * 3
    assert [turn.units for turn in turns["a"]] == [10, 10]
    assert [turn.units for turn in turns["b"]] == [14, 14]
    assert all(0.02 <= turn.seconds < 5 for taken in turns.values() for turn in taken)  # no pause, no other's turn


def test_a_contestant_that_breaks_is_named_with_its_last_words():
    with pytest.raises(RuntimeError, match=r"b ended before its turn did:[\s\S]*out of breath"):
        race({"b": Contestant("tests.support.contestants:fail", ())}, rounds=1, steps=1)


def test_peak_memory_remembers_what_was_given_back():
    """The first turn of the smaller one is the same but for 200 MiB."""
    peaks = {
        size: race({"c": Contestant("tests.support.contestants:grow", (size,))}, rounds=1, steps=1)["c"][0].peak_bytes
        for size in (1, 201)
    }
    assert (peaks[201] - peaks[1]) / 2**20 == pytest.approx(2 * 200, rel=0.1)  # the mapping, and what fills it


def test_own_peak_is_at_least_what_python_takes():
    assert peak_bytes() > 5 * 2**20


def test_ratios_are_taken_round_by_round():
    assert median_ratio([1.0, 20.0, 3.0], [2.0, 10.0, 1.0]) == 2.0  # of 0.5, 2 and 3
