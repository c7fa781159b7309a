"""Where a run would start: each case is a finding of preflight, as it would be an error of fit."""

import json

import pytest
import torch

import run
from acereason.common.locks import LOCK, Lock
from acereason.models.qwen import shapes_by
from acereason.runs.folder import RunFolder
from acereason.verbs.lightning_cli import lightning_cli
from acereason.verbs.preflight.checks import Checks
from acereason.verbs.preflight.start import check_start


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("start") / "run"


@pytest.fixture(scope="module")
def trainer(folder):
    """Trainer and module of a config whose run is in the folder."""
    made = lightning_cli(
        ["--config=conf/debug.yaml", f"--trainer.logger.save_dir={folder.parent}", "--trainer.logger.name=run"],
        run=False,
    )
    made.model.trainer = made.trainer
    return made.trainer, made.model


def checkpoint(trainer, path, shape=(), **changes):
    """What a run of the trainer's would have saved before its first epoch, without the weights' values."""
    _, module = trainer
    weights = {f"model.{name}": torch.zeros(1).expand(size) for name, size in shapes_by(module.config).items()}
    group = dict.fromkeys(module.optimizer_settings(), 0)
    state = {"state_dict": weights | dict(shape), "optimizer_states": [{"param_groups": [group]}]}
    state |= {"global_step": 4, "loops": {}, "callbacks": {}, "RLData": {"plan": None}}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state | changes, path)
    return str(path)


def told(trainer, ckpt_path) -> dict[str, tuple[str, str]]:
    """{key: (status, message)}."""
    checks = Checks()
    with checks.catching("folder"):
        check_start(checks, *trainer, ckpt_path)
    return {check.key: (check.status, check.message) for check in checks.found}


def test_a_checkpoint_that_fits(trainer, folder, tmp_path):
    there = checkpoint(trainer, tmp_path / "step-000004.ckpt")
    assert told(trainer, there) == {"ckpt_path": ("ok", f"{there} is whole, and of this model")}
    assert told(trainer, None) == told(trainer, "auto") == {}
    assert not folder.exists()


PLACE = {"epoch": 0, "stage_epoch": 0, "stage_start": 0, "epoch_start": 0}
MISFITS = {
    "another vocabulary": (
        {"shape": {"model.lm_head.weight": torch.zeros(1).expand(9, 64)}},
        "ckpt_path",
        "of another model: model.lm_head.weight is [9, 64] in it, and [260, 64] in the model",
    ),
    "a stage that is gone": ({"RLData": {"plan": PLACE | {"stage": "gone"}}}, "data.stages", "is in stage 'gone'"),
    "a plan of a later version": (
        {"RLData": {"plan": PLACE | {"stage": "short", "of": "later"}}},
        "ckpt_path",
        "what it holds of RLData can't be read (TypeError: ",
    ),
    "a callback's state of another version": (
        {"callbacks": {"EasyFilter": {"filtered": [{"who": 1}]}}},
        "ckpt_path",
        "what it holds of EasyFilter can't be read (TypeError: ",
    ),
    "another optimizer": (
        {"optimizer_states": [{"param_groups": [{"lr": 0, "momentum": 0}]}]},
        "model.optimizer",
        "holds the state of another one, which has momentum",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_checkpoint_that_does_not_fit(trainer, tmp_path, name):
    changes, key, message = MISFITS[name]
    there = checkpoint(trainer, tmp_path / "step-000004.ckpt", **changes)
    found = told(trainer, there)
    assert list(found) == [key]
    assert found[key][0] == "failure"
    assert message in found[key][1]


def test_a_checkpoint_of_sft(trainer, tmp_path):
    there = checkpoint(trainer, tmp_path / "step-000004.ckpt")
    held = torch.load(there, weights_only=True)
    del held["RLData"]
    torch.save(held, there)
    assert "is of SFT, and data is RLData; begin a new run" in told(trainer, there)["ckpt_path"][1]


def test_a_checkpoint_that_is_not_there_or_is_damaged(trainer, tmp_path):
    assert told(trainer, "nosuch.ckpt")["ckpt_path"][1].startswith("no checkpoint nosuch.ckpt; `last` takes the newest")
    assert "there is no run in" in told(trainer, "last")["ckpt_path"][1]
    there = tmp_path / "step-000004.ckpt"
    checkpoint(trainer, there)
    there.write_bytes(there.read_bytes()[:-9])
    assert told(trainer, str(there))["ckpt_path"] == (
        "failure",
        f"{there} is damaged: it is cut short, or no checkpoint; name another",
    )


def test_the_newest_of_a_run_that_is_going_on(trainer, folder):
    newest = checkpoint(trainer, folder / "checkpoints/step-000004.ckpt")
    assert told(trainer, "last") == {"ckpt_path": ("ok", f"{newest} is whole, and of this model")}
    (folder / LOCK).write_bytes(b"")  # what a kill has left
    assert list(told(trainer, "last")) == ["ckpt_path"]
    lock = Lock(folder, "k")
    lock.take()
    before = (folder / LOCK).read_bytes()
    assert f"is writing into {folder}; wait for its end" in told(trainer, "last")["trainer.logger.name"][1]
    assert "is writing into" in told(trainer, None)["trainer.logger.name"][1]
    assert (folder / LOCK).read_bytes() == before
    lock.release()
    assert list(told(trainer, "auto")) == ["ckpt_path"]
    assert not (folder / LOCK).exists()


def test_the_verb_takes_a_runs_own_config(tmp_path, capsys):
    values = {"ckpt_path": "last", "weights_only": None}
    (tmp_path / "more.yaml").write_text(json.dumps(values))
    arguments = ["--config=conf/debug.yaml", f"--config={tmp_path}/more.yaml", f"--trainer.logger.save_dir={tmp_path}"]
    with pytest.raises(SystemExit) as exit_:
        run.main(["preflight", *arguments, f"--output={tmp_path}/found.json"])
    assert exit_.value.code == 1
    (failure,) = [
        check for check in json.loads((tmp_path / "found.json").read_text())["checks"] if check["status"] == "failure"
    ]
    assert (failure["key"], failure["message"][:15]) == ("ckpt_path", "there is no run")
    assert RunFolder(tmp_path / "debug", "k", "fit", False).mark == {}
