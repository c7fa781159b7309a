import json

from lightning.pytorch.loggers import TensorBoardLogger

from acereason.runs.curves import read_curves


def test_a_resumed_runs_later_points_count(tmp_path):
    for values in ([0.1, 0.2, 0.9], [0.3, 0.4]):
        logger = TensorBoardLogger(tmp_path, name="", version="")
        for step, value in enumerate(values):
            logger.log_metrics({"reward/mean": value}, step + (2 if len(values) == 2 else 0))
        logger.finalize("success")
    steps, values = zip(*read_curves(tmp_path)["reward/mean"], strict=True)
    assert steps == (0, 1, 2, 3)
    assert [round(value, 3) for value in values] == [0.1, 0.2, 0.3, 0.4]


def test_metrics_of_their_own_come_first(tmp_path):
    logger = TensorBoardLogger(tmp_path, name="", version="")
    logger.log_metrics({"reward/mean": 0.1}, 0)
    logger.finalize("success")
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"step": 3, "reward/mean": 0.7}) + "\n")
    assert read_curves(tmp_path) == {"reward/mean": [(3, 0.7)]}


def test_a_folder_without_any_has_no_curves(tmp_path):
    assert read_curves(tmp_path) == {}
