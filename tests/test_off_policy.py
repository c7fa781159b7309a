"""Several updates of a step, in runs of conf/debug.yaml."""

import random

import pytest

from tests.support.comparison import SGD, equal, fit, metrics, same_weights
from tests.support.killed_runs import finish, killed_after
from tests.test_two_ranks import TWO

pytestmark = pytest.mark.slow

ONE_STAGE = ["--data.stages={short: {refill: 1}}"]
TOKEN = "--model.off_policy={updates: 3, clip_low: 0.001, clip_high: 0.002}"
SEQUENCE = "--model.off_policy={updates: 2, clip_low: 1.0e-4, clip_high: 2.0e-4, ratio: sequence, old_logprobs: engine}"


@pytest.mark.parametrize("settings", [TOKEN, pytest.param(SEQUENCE, marks=pytest.mark.nightly)])
def test_two_ranks_and_other_micro_batches_change_nothing(tmp_path, settings):
    own = [*SGD, *ONE_STAGE, settings]
    one, two = fit(tmp_path, "one", *own), fit(tmp_path, "two", *own, *TWO, "--model.micro_batch_tokens=20")
    equal(one, two)
    curves = metrics(one)
    assert [step for step, _ in curves["policy/loss"]] == [0, 1, 2, 3]  # a batch of rollouts is a step
    assert all(0 < share < 1 for _, share in curves["policy/clip_fraction"])
    assert all(moved > 0 for _, moved in curves["policy/kl_old"])
    assert all(gap < 1e-5 for _, gap in curves["sync/logprob_gap"])  # of the policy before the step


def test_killed_and_resumed_it_is_the_same_run(tmp_path):
    whole, folder, own = tmp_path / "whole", tmp_path / "killed", [*ONE_STAGE, TOKEN]
    finish(whole, *own)
    assert killed_after(2, random.Random(0), folder, *own)
    finish(folder, *own)
    assert metrics(folder) == metrics(whole)
    same_weights(whole / "export", folder / "export")
