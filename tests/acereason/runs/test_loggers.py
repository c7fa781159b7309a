"""What CSVLogger and the services of loggers keep of a run that goes on."""

import csv
from types import SimpleNamespace

import pytest
from lightning.pytorch.loggers import CSVLogger

from acereason.runs.loggers import begin_loggers, identify, identities
from tests.support.fakes import fake_trainer


def logged(folder, resumed: int, *rows: tuple[int, dict[str, float]]) -> list[dict[str, str]]:
    """metrics.csv once a run that goes on at a step has logged rows."""
    logger = CSVLogger(folder, name="run", version="")
    begin_loggers(fake_trainer(), [logger], resumed)
    for step, values in rows:
        logger.log_metrics(values, step)
    logger.save()
    with (folder / "run/metrics.csv").open() as file:
        return list(csv.DictReader(file))


def loss(step: int) -> tuple[int, dict[str, float]]:
    return step, {"policy/loss": float(step)}


def test_rows_of_before_stay_and_those_that_are_taken_again_go(tmp_path):
    logged(tmp_path, 0, loss(0), loss(1), (2, {"eval/heldout/avg": 0.5}), loss(2), loss(3))
    rows = logged(tmp_path, 2, loss(2), (3, {"policy/loss": 3.0, "policy/new": 1.0}))
    assert [(row["step"], row["policy/loss"]) for row in rows] == [
        ("0", "0.0"),
        ("1", "1.0"),
        ("2", ""),
        ("2", "2.0"),
        ("3", "3.0"),
    ]
    assert [row["eval/heldout/avg"] for row in rows] == ["", "", "0.5", "", ""]
    assert [row["policy/new"] for row in rows] == ["", "", "", "", "1.0"]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["metrics.csv"]


def test_rows_that_a_kill_left_aside_are_found(tmp_path):
    logged(tmp_path, 0, loss(0), loss(1))
    (tmp_path / "run/metrics.csv").rename(tmp_path / "run/.metrics.csv")
    assert [row["step"] for row in logged(tmp_path, 2, loss(2))] == ["0", "1", "2"]


def test_a_run_of_wandb_goes_on(tmp_path):
    pytest.importorskip("wandb")
    from lightning.pytorch.loggers import WandbLogger

    logger = WandbLogger(save_dir=tmp_path, name="rl", offline=True)
    identify([logger], {"WandbLogger": "abc123"})
    assert logger.version == "abc123"
    assert logger._wandb_init["id"] == "abc123"
    assert identities([logger, SimpleNamespace()]) == {"WandbLogger": "abc123"}
    named = WandbLogger(save_dir=tmp_path, version="own", offline=True)
    identify([named], {"WandbLogger": "abc123"})
    assert named.version == "own"


def test_a_run_of_mlflow_goes_on(tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # which mlflow 3 wants to hear
    from lightning.pytorch.loggers import MLFlowLogger

    logger = MLFlowLogger(save_dir=str(tmp_path))
    assert identities([logger]) == {}
    identify([logger], {"MLFlowLogger": "abc"})
    assert identities([logger]) == {"MLFlowLogger": "abc"}
