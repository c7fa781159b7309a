"""A stage with `refill`, in runs of conf/debug.yaml."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.support.comparison import SGD, equal, fit, metrics
from tests.test_two_ranks import TWO

pytestmark = pytest.mark.slow

REFILL = [*SGD, "--model.group_size=2", "--data.stages={short: {refill: 2}}"]


def groups(folder: Path) -> Counter[str]:
    """What was drawn in which step, responses and all."""
    return Counter(json.dumps(json.loads(line), sort_keys=True) for line in (folder / "groups.jsonl").open())


def test_two_ranks_and_a_resumed_run_refill_with_the_same_prompts(tmp_path):
    one, two = fit(tmp_path, "one", *REFILL), fit(tmp_path, "two", *REFILL, *TWO)
    equal(one, two)
    assert groups(one) == groups(two)
    resumed = fit(tmp_path, "resumed", *REFILL, f"--ckpt_path={one}/checkpoints/step-000001.ckpt")
    assert metrics(resumed, 1) == metrics(one, 1)
    equal(one, resumed, since=1)

    curves = dict(metrics(one))
    further = [value for _, value in curves["refill/prompts"]]
    assert min(further) > 0
    assert max(value for _, value in curves["refill/silent"]) < 1
    steps = Counter(json.loads(line)["step"] for line in (one / "groups.jsonl").open())
    assert [steps[step] for step in range(4)] == [8 + more for more in further]  # each has its line
    drawn = [(row["step"], row["problem"]) for row in map(json.loads, (one / "groups.jsonl").open())]
    assert len(set(drawn)) == len(drawn)  # no problem twice in a step
