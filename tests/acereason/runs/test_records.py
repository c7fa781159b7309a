"""What is written down of groups and steps."""

import pytest

from acereason.common.types import Verdict
from acereason.runs.records import Samples, Tally, group_row, sample_markdown
from tests.support.fakes import group, rollout


def test_a_group_is_counted_by_verdict_and_reason():
    no_box = rollout("wrong", 9, truncated=True)
    no_box.verdict = Verdict("wrong", {"path": "no box"})
    late = rollout("error")
    late.verdict = Verdict("error", {"error": "no verdict in 10.0 s"})
    row = group_row(group(rollout("correct"), no_box, late))
    assert (row["correct"], row["wrong"], row["error"], row["truncated"]) == (1, 1, 1, 1)
    assert row["why"] == {"correct: None": 1, "wrong: no box": 1, "error: no verdict in … s": 1}
    assert (row["problem"], row["statement"], row["lengths"]) == ("p", "1+1", [3, 9, 3])


def test_the_first_rollouts_of_the_first_groups_are_shown_with_what_became_of_them():
    masked = rollout("wrong", 9, truncated=True)
    masked.in_loss = False
    groups = [group(rollout("correct"), masked, rollout("wrong")), group(rollout("wrong"))]
    first, second = Samples().rows(groups)
    assert (first["status"], first["in_loss"], second["status"], second["in_loss"]) == ("correct", True, "wrong", False)
    assert (first["statement"], first["answer"], first["response"]) == ("1+1", "2", "seven")
    assert [row["status"] for row in Samples(groups=2, rollouts=1).rows(groups)] == ["correct", "wrong"]


def test_no_steps_between_writings_are_refused():
    with pytest.raises(ValueError, match="every_n_steps must be at least 1, not 0"):
        Samples(every_n_steps=0)


def test_markdown_is_fenced_and_says_what_became_of_it():
    (row,) = Samples().rows([group(rollout("correct", 3))])
    shown = "**p** · correct · reward 1 · 3 tokens (stop) · answer `2`\n\n```\n1+1\n\nseven\n```"
    assert sample_markdown(row) == shown
    assert "· masked ·" in sample_markdown(row | {"in_loss": False})
    assert "· reward -0.3333 ·" in sample_markdown(row | {"reward": -1 / 3})
    (failed,) = Samples().rows([group(rollout("error"))])
    assert "· error · no reward ·" in sample_markdown(failed)


def step(reward: float) -> dict[str, float]:
    seconds = {"time/rollout": 2.0, "time/reward": 0.5, "time/train": 1.0, "time/step": 3.5}
    return {"response/tokens": 10.0, "reward/mean": reward, "policy/entropy": 0.3, **seconds}


def test_first_and_last_are_means_over_a_tenth_of_the_steps():
    tally = Tally()
    for number in range(20):
        tally.add("math_8k", step(number / 20))
    entry = tally.summary()["stages"]["math_8k"]
    assert (entry["steps"], entry["response_tokens"]) == (20, 200)
    assert entry["reward/mean"]["first"] == pytest.approx((0 + 0.05) / 2)
    assert entry["reward/mean"]["last"] == pytest.approx((0.90 + 0.95) / 2)
    assert tally.summary()["seconds"] == {"rollout": 40.0, "reward": 10.0, "train": 20.0}
