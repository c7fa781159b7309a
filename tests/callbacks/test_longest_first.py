from callbacks import LongestFirst
from tests.support.fakes import fake_trainer, group, problem, rollout


def order(callback: LongestFirst, names: str) -> str:
    problems = [problem(name=name) for name in names]
    return "".join(each.id for each in callback.order_problems(fake_trainer(), None, problems))


def test_unknown_prompts_first_then_by_their_last_mean_length():
    callback = LongestFirst()
    assert order(callback, "bac") == "bac"
    callback.on_rollouts(fake_trainer(), None, [group(rollout(length=2), rollout(length=4), name="a")])
    callback.on_rollouts(fake_trainer(), None, [group(rollout(length=9), name="b"), group(rollout(length=5), name="c")])
    assert callback.lengths == {"a": 3.0, "b": 9.0, "c": 5.0}
    assert order(callback, "abxcy") == "xybca"
    callback.on_rollouts(fake_trainer(), None, [group(rollout(length=1), name="b")])
    assert order(callback, "abc") == "cab"


def test_the_lengths_are_part_of_a_checkpoint():
    callback, restored = LongestFirst(), LongestFirst()
    callback.on_rollouts(fake_trainer(), None, [group(rollout(length=9), name="b"), group(rollout(length=5), name="c")])
    restored.load_state_dict(callback.state_dict())
    assert order(restored, "cb") == "bc"
