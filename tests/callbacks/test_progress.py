import pty

import pytest

from acereason.data.curriculum import Plan
from acereason.data.stage import Stage
from callbacks import Progress
from callbacks.progress import clock, line
from tests.support.fakes import curriculum, fake_trainer

METRICS = {
    "reward/mean": 0.5124,
    "policy/entropy": 0.3012,
    "policy/loss": 0.25,
    "response/length_mean": 3411.2,
    "response/truncated": 0.07,
}


def line_in(stage: Stage, step: int, start: int = 0, epoch: int = 0, epoch_start: int = 0, seconds: float = 1.0) -> str:
    plan = Plan("math_8k", epoch, stage_epoch=epoch, stage_start=start, epoch_start=epoch_start)
    trainer = fake_trainer(global_step=step, num_training_batches=10)
    return line(trainer, curriculum(plan, math_8k=stage), METRICS, seconds)


def test_a_plain_line_has_the_stage_and_when_it_ends():
    told = line_in(Stage(["a"], steps=1200), step=480, seconds=62.08)
    assert told == (
        "step 480, math_8k 480/1200: reward 0.512 | entropy 0.301 | length 3,411 | truncated 7% | 62.1 s a step | "
        "stage ends in 12:24:58"
    )


def test_a_stage_that_counts_epochs_ends_at_most_then():
    told = line_in(Stage(["a"], epochs=3), step=125, start=100, epoch=1, epoch_start=120)
    assert "math_8k 25/40:" in told  # 20 steps before this epoch, two more epochs of 10
    assert told.endswith("stage ends in 0:00:15")
    both = line_in(Stage(["a"], steps=30, epochs=3), 125, 100, 1, 120)
    assert "math_8k 25/30:" in both


def test_sft_is_one_stage():
    trainer = fake_trainer(global_step=10, estimated_stepping_batches=375)
    told = line(trainer, None, METRICS, 2.0)
    assert told == "step 10/375: loss 0.2500 | entropy 0.301 | 2 s a step | run ends in 0:12:10"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00:00"), (3725, "1:02:05"), (360000, "100:00:00")])
def test_clock(seconds, text):
    assert clock(seconds) == text


def test_the_bar_is_for_terminals(tmp_path, monkeypatch):
    _, terminal = pty.openpty()
    with open(terminal, "w") as screen, (tmp_path / "log").open("w") as log:
        for output, enabled in ((screen, True), (log, False)):
            monkeypatch.setattr("sys.stdout", output)
            assert Progress().is_enabled == enabled
        assert not Progress(bar=False).is_enabled


def test_never_is_not_a_number_of_steps():
    with pytest.raises(ValueError, match="every_n_steps"):
        Progress(every_n_steps=0)
