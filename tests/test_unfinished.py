"""Screenings, evaluations and sweeps that end in the middle go on where they were."""

import json
from collections import Counter
from pathlib import Path

import pytest

import run
from callbacks.easy_filter import EasyFilter
from tests.support.comparison import metrics

ENGINE = ["--model.engine=tests.support.counting_engine.CountingEngine", "--model.engine.max_rows=4"]
SCREEN = ["--data.stages.short.screen=0.5", "--trainer.max_steps=1", *ENGINE]


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Runs a command line whose engine fails after so many responses of all runs; the ids of all that were drawn."""

    def drawn(name: str, arguments: list[str], dies_at: int | None = None) -> list[str]:
        monkeypatch.setenv("ASKED", str(tmp_path / f"{name}-asked"))
        monkeypatch.setenv("DIES_AT", "" if dies_at is None else str(dies_at))
        if dies_at is None:
            run.main(arguments)
        else:
            with pytest.raises(RuntimeError, match="killed"):
                run.main(arguments)
        return (tmp_path / f"{name}-asked").read_text().split()

    return drawn


def fit(folder: Path, name: str, *more: str) -> list[str]:
    logger = [f"--trainer.logger.save_dir={folder}", f"--trainer.logger.name={name}"]
    return ["fit", "--config=conf/debug.yaml", *logger, *SCREEN, *more]


@pytest.mark.slow
def test_a_screening_and_an_evaluation_go_on(tmp_path, asked, monkeypatch):
    """80 responses of 20 problems are screened, 4 are probed and 16 of a benchmark drawn; it fails in the middle."""
    screened, screen = [], EasyFilter._screen
    monkeypatch.setattr(
        EasyFilter, "_screen", lambda self, *more: (screen(self, *more), screened.append(self.screened))[0]
    )
    whole = asked("whole", fit(tmp_path, "whole"))
    for dies_at in (26, 50, 95):
        asked("killed", fit(tmp_path, "killed"), dies_at)
    drawn = asked("killed", fit(tmp_path, "killed"))
    again = Counter(drawn) - Counter(whole) - Counter(whole[80:84])  # every start probes
    assert not Counter(whole) - Counter(drawn)
    assert again.total() <= 2 * (4 + 3) + 4  # what had been drawn when it failed, and was no judged group yet
    assert screened == [screened[0]] * 3
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "whole")
    assert not list(tmp_path.glob(".*-unfinished"))


@pytest.mark.slow
def test_another_policy_screens_anew(tmp_path, asked):
    with_seed = [f"--seed_everything={seed}" for seed in (1, 2)]
    asked("one", fit(tmp_path, "run", with_seed[0]), 26)
    assert len(list((tmp_path / ".run-unfinished").glob("screen-short-*-0.jsonl"))) == 1
    drawn = asked("two", fit(tmp_path, "run", with_seed[1]))
    assert len(drawn) == 20 * 4 + 4 + 16 + 8 * 4 + 4  # screened, probed, evaluated, trained on, probed


def test_a_sweep_goes_on(tmp_path, asked):
    def calibrate(name: str) -> list[str]:
        sweep = ["--temperatures=[0.7,1.0,1.3]", "--problems=4", "--rollouts=2", f"--output={tmp_path / name}"]
        return ["calibrate", "--config=conf/debug.yaml", f"--trainer.logger.save_dir={tmp_path}", *sweep, *ENGINE]

    whole = asked("whole", calibrate("whole"))
    assert len(whole) == 3 * 4 * 2
    assert len(asked("killed", calibrate("killed"), 17)) == 17
    assert [path.name for path in (tmp_path / "killed").iterdir()] == ["trials.jsonl"]
    assert len(asked("killed", calibrate("killed"))) == 17 + 8
    for name in ("whole", "killed"):
        assert sorted(path.name for path in (tmp_path / name).iterdir()) == ["calibration.json", "calibration.png"]
    results = [json.loads((tmp_path / name / "calibration.json").read_text()) for name in ("whole", "killed")]
    assert results[0] == results[1]
