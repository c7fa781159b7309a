from types import SimpleNamespace

import torch
from lightning.pytorch.callbacks import EarlyStopping

from acereason.modules.base import QwenModule
from tests.support.fakes import BACKBONE, fake_trainer


def test_lightnings_early_stopping_keeps_the_patience_of_the_config():
    callback, module = EarlyStopping("eval/held/loss", patience=5), QwenModule()
    module._trainer = SimpleNamespace(callbacks=[callback, EarlyStopping("another")])
    state = EarlyStopping("eval/held/loss", patience=1).state_dict()
    module.on_load_checkpoint({"callbacks": {callback.state_key: state}})
    callback.load_state_dict(state)
    assert callback.patience == 5
    module.on_load_checkpoint({"state_dict": {}})


def test_lightnings_callbacks_may_monitor_every_metric_of_every_step(monkeypatch):
    """EarlyStopping and ModelCheckpoint look there, also at steps that no logger is told of."""
    module = QwenModule(backbone=BACKBONE)
    trainer = fake_trainer(global_step=2, log_every_n_steps=5, callback_metrics={"reward/mean": torch.tensor(0.1)})
    monkeypatch.setattr(type(module), "trainer", trainer)
    module.record({"reward/mean": 0.25, "eval/sums/avg": 1.0})
    assert {name: value.item() for name, value in trainer.callback_metrics.items()} == {
        "reward/mean": 0.25,
        "eval/sums/avg": 1.0,
    }
