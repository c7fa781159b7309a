"""A training run whose verifiers fail, through run.py."""

import pytest

from acereason.rewards import pool as pool_module
from acereason.rewards.math.verdict import Math
from acereason.rewards.pool import RewardErrors
from tests.support import bad_verifiers


@pytest.mark.parametrize(
    ("verifier", "error"),
    [("raises", "RecursionError: too deep"), ("sleeps", "timeout after 0.5 s"), ("dies", "process died")],
)
def test_too_many_errors_stop_the_run_and_show_the_worst(debug_run, monkeypatch, verifier, error):
    monkeypatch.setattr(Math, "look", lambda self, problem, text: text)
    monkeypatch.setattr(pool_module, "judge", getattr(bad_verifiers, verifier))
    few = ["--trainer.num_sanity_val_steps=0", "--data.stages.short.prompts_per_step=2", "--model.group_size=2"]
    with pytest.raises(RewardErrors, match=rf"4 of 4 verdicts are errors.*0\.05(.|\n)*sums/.*{error}"):
        debug_run(*few, "--model.rewards.timeout=0.5")


@pytest.mark.slow
def test_a_higher_limit_lets_the_run_go_on_without_the_failed(debug_run, monkeypatch):
    monkeypatch.setattr(Math, "look", lambda self, problem, text: text)
    monkeypatch.setattr(pool_module, "judge", bad_verifiers.raises)
    stages = ["--data.stages.short.steps=1", "--data.stages.long.steps=1", "--trainer.num_sanity_val_steps=0"]
    folder = debug_run(*stages, "--model.rewards.max_error_rate=1.0")
    assert (folder / "summary.json").exists()
