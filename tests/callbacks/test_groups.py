import json

from acereason.common.types import Verdict
from callbacks import Groups
from callbacks.groups import row_of
from tests.support.fakes import FakeModule, curriculum, fake_trainer, group, rollout


def test_a_group_is_counted_by_verdict_and_reason():
    no_box = rollout("wrong", 9, truncated=True)
    no_box.verdict = Verdict("wrong", {"path": "no box"})
    late = rollout("error")
    late.verdict = Verdict("error", {"error": "no verdict in 10.0 s"})
    row = row_of(group(rollout("correct"), no_box, late))
    assert (row["correct"], row["wrong"], row["error"], row["truncated"]) == (1, 1, 1, 1)
    assert row["why"] == {"correct: None": 1, "wrong: no box": 1, "error: no verdict in … s": 1}
    assert (row["problem"], row["statement"], row["lengths"]) == ("p", "1+1", [3, 9, 3])


def test_every_group_of_every_step_is_written(tmp_path):
    module = FakeModule(curriculum=curriculum())
    for step in range(2):
        trainer = fake_trainer(log_dir=tmp_path, global_step=step)
        Groups().on_rollouts(trainer, module, [group(rollout(), name="p"), group(rollout(), name="q")])
    rows = [json.loads(line) for line in (tmp_path / "groups.jsonl").read_text().splitlines()]
    assert [(row["step"], row["problem"]) for row in rows] == [(0, "p"), (0, "q"), (1, "p"), (1, "q")]
