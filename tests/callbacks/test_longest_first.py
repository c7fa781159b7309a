from math import inf

from callbacks import LongestFirst
from tests.support.fakes import fake_trainer, group, problem, rollout


def expected(callback: LongestFirst, names: str) -> list[float]:
    return callback.expected_lengths(fake_trainer(), None, [problem(name=name) for name in names])


def test_a_prompt_is_expected_to_be_as_long_as_its_last_group_was_on_average():
    callback = LongestFirst()
    assert expected(callback, "ba") == [inf, inf]
    callback.on_rollouts(fake_trainer(), None, [group(rollout(length=2), rollout(length=4), name="a")])
    callback.on_rollouts(fake_trainer(), None, [group(rollout(length=9), name="b"), group(rollout(length=5), name="c")])
    assert callback.lengths == {"a": 3.0, "b": 9.0, "c": 5.0}
    assert expected(callback, "abxc") == [3.0, 9.0, inf, 5.0]
    callback.on_rollouts(fake_trainer(), None, [group(rollout(length=1), name="b")])
    assert expected(callback, "abc") == [3.0, 1.0, 5.0]


def test_the_lengths_are_part_of_a_checkpoint():
    callback, restored = LongestFirst(), LongestFirst()
    callback.on_rollouts(fake_trainer(), None, [group(rollout(length=9), name="b"), group(rollout(length=5), name="c")])
    restored.load_state_dict(callback.state_dict())
    assert expected(restored, "cb") == [5.0, 9.0]
