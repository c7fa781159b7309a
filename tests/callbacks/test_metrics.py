from types import SimpleNamespace

import torch

from acereason.runs.curves import read_curves
from callbacks import Metrics
from tests.support.fakes import FakeModule, fake_trainer


def trainer_at(folder, step: int, **attributes):
    return fake_trainer(log_dir=folder, global_step=step, training=True, **attributes)


def test_rows_become_curves_and_the_later_of_two_counts(tmp_path):
    metrics = Metrics()
    for step, loss in ((0, 3.0), (1, 2.0), (1, 1.0)):
        metrics.on_metrics(trainer_at(tmp_path, step + 1), FakeModule(), {"policy/loss": loss}, step)
    metrics.on_metrics(trainer_at(tmp_path, 2), FakeModule(), {"eval/heldout/avg": 0.5}, 2)
    assert read_curves(tmp_path) == {"policy/loss": [(0, 3.0), (1, 1.0)], "eval/heldout/avg": [(2, 0.5)]}


def test_validate_and_test_do_not_write_into_the_run(tmp_path):
    trainer = fake_trainer(log_dir=tmp_path, training=False)
    Metrics().on_metrics(trainer, FakeModule(), {"eval/heldout/avg": 0.5}, 0)
    assert list(tmp_path.iterdir()) == []


def test_losses_that_lightning_averages(tmp_path):
    callback_metrics = {"eval/heldout/loss": torch.tensor(0.25), "loss": torch.tensor(1.0)}
    trainer = trainer_at(tmp_path, 10, callback_metrics=callback_metrics, state=SimpleNamespace(fn="fit"))
    Metrics().on_validation_end(trainer, FakeModule())
    assert read_curves(tmp_path) == {"eval/heldout/loss": [(9, 0.25)]}
