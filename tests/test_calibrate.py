"""`calibrate` on the debug config."""

import json
from pathlib import Path

import pytest

import run


def calibrate(folder: Path, *more: str) -> None:
    run.main(
        [
            "calibrate",
            "--config=conf/debug.yaml",
            f"--trainer.logger.save_dir={folder}",
            "--temperatures=[0.7,1.0]",
            "--problems=4",
            "--rollouts=2",
            *more,
        ]
    )


def test_it_measures_and_leaves_a_run_alone(tmp_path, capsys):
    (tmp_path / "debug").mkdir()
    (tmp_path / "debug/config.yaml").write_text("of the run")
    before = set(Path().iterdir())
    calibrate(tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == {
        "debug/config.yaml", "calibration/calibration.json", "calibration/calibration.png",
    }  # fmt: skip
    assert (tmp_path / "debug/config.yaml").read_text() == "of the run"
    assert set(Path().iterdir()) == before
    cold, warm = json.loads((tmp_path / "calibration/calibration.json").read_text())["trials"]
    assert (cold["temperature"], warm["temperature"]) == (0.7, 1.0)
    assert 5 < cold["entropy"] < warm["entropy"] < 5.5607  # ln 260: random weights, a token for each byte
    assert cold["entropy"] == cold["entropy_all"]  # the stage masks nothing
    assert "sweep lower ones" in capsys.readouterr().out


def test_under_mask_the_entropy_is_that_of_the_tokens_in_the_loss(tmp_path):
    calibrate(
        tmp_path, "--data.stages.short.overlong=mask", "--data.stages.short.max_response_length=48", "--problems=8"
    )
    (cold, _) = json.loads((tmp_path / "calibration/calibration.json").read_text())["trials"]
    assert 0 < cold["truncated"] < 1
    assert 5 < cold["entropy"] != cold["entropy_all"] > 5


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--stage=nosuch", "stage: no 'nosuch' under data.stages; there are ['long', 'rest', 'short']"),
        ("--problems=0", "problems, rollouts: must be above 0"),
        ("--temperatures=[0.0]", "temperatures, problems, rollouts: must be above 0"),
    ],
)
def test_mistakes(tmp_path, capsys, flag, message):
    with pytest.raises(SystemExit) as stopped:
        calibrate(tmp_path, flag)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
