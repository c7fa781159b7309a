"""kill -9 anywhere, the same command with --ckpt_path last: the run that was never killed, bit for bit."""

import json
import random
from pathlib import Path

import pytest

from acereason.runs.curves import read_metrics
from tests.support.comparison import metrics, same_weights
from tests.support.killed_runs import finish, killed_after, killed_at

pytestmark = pytest.mark.slow

RENAMES = [
    "checkpoints/.step-000001.ckpt",  # the first checkpoint, half written: there is none yet
    "checkpoints/.step-000002.ckpt",  # an epoch's checkpoint, half written
    "checkpoints/.step-000003.ckpt",  # a step's
    "exports/.short.*",  # a stage's export, written and not in place
    "checkpoints/.step-000004-end-of-short.ckpt",  # a stage's checkpoint, half written
    "exports/.best-of-long.*",  # the best policy of a stage
    "checkpoints/.step-000007.ckpt",
    "checkpoints/.step-000008-end-of-long.ckpt",  # the end of a stage that its stop rule ends
    "checkpoints/.step-000010.ckpt",  # an epoch's, in a stage that counts epochs
    "checkpoints/.step-000012-end-of-rest.ckpt",  # the last
]


def same_run(expected: Path, resumed: Path) -> None:
    """Metrics, weights and what the callbacks leave, but for the clock."""
    assert metrics(resumed) == metrics(expected)
    for name in ("short", "long", "best-of-long", "rest"):
        same_weights(expected / "exports" / name, resumed / "exports" / name)
    for name in ("samples.jsonl", "filtered.jsonl", "groups.jsonl", "health.jsonl"):
        assert (resumed / name).read_text() == (expected / name).read_text()
    assert logged(resumed) == logged(expected)
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in (expected, resumed)]
    for summary in summaries:
        del summary["seconds"]
    assert summaries[0] == summaries[1]


def logged(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What metrics.jsonl holds, but for the clock."""
    clocks = ("time/", "throughput/", "sync/seconds")
    return {name: curve for name, curve in read_metrics(folder).items() if not name.startswith(clocks)}


@pytest.mark.nightly
def test_killed_on_every_boundary(tmp_path):
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    finish(whole, "--seed_everything=1")
    for path in RENAMES:
        assert killed_at(path, folder, "--seed_everything=1"), path
    finish(folder, "--seed_everything=1")
    same_run(whole, folder)


@pytest.mark.parametrize("seed", [2, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in (3, 4))])
def test_killed_at_random_moments(tmp_path, seed):
    whole, folder, generator = tmp_path / "whole", tmp_path / "killed", random.Random(seed)
    finish(whole, f"--seed_everything={seed}")
    for step in sorted(generator.sample(range(1, 12), 5)):
        assert killed_after(step, generator, folder, f"--seed_everything={seed}"), step
    finish(folder, f"--seed_everything={seed}")
    same_run(whole, folder)


def test_a_finished_run_says_so_and_stays_as_it_is(tmp_path):
    folder = tmp_path / "run"
    finish(folder)
    before = metrics(folder)
    said = finish(folder)
    assert "nothing was trained: the run had finished at step 12" in said
    assert metrics(folder) == before
