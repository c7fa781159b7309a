"""From a teacher's responses to a model that has learnt them, through run.py."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import run
from acereason.models.exports import export
from tests.support.comparison import metrics, same_weights
from tests.support.fakes import TOKENIZER, tiny_qwen
from tests.support.killed_runs import ONE_THREAD
from tests.support.limits import HANG

PLATEAU = {"class_path": "SFTPlateau", "init_args": {"monitor": "eval/held/loss", "mode": "min"}}
CALLBACKS = [
    {"class_path": "Recorder"},
    PLATEAU,
    {"class_path": "Export"},
    {"class_path": "Checkpoints", "init_args": {"every_n_steps": 3}},
]
TWO = [
    *("--trainer.strategy=ModelParallelStrategy", "--trainer.strategy.tensor_parallel_size=1"),
    *("--trainer.devices=2", "--trainer.strategy.data_parallel_size=2"),
]
TEMPLATE = {"math": "{statement}=", "code": "{statement}", "layout": "{user}\n"}


@pytest.fixture(scope="module")
def taught(tmp_path_factory) -> Path:
    """A folder of responses to 24 sums and 8 programs by a teacher of random weights."""
    folder = tmp_path_factory.mktemp("teacher")
    export(tiny_qwen(), TOKENIZER, folder / "model", is_writer=True)
    config = {
        "sources": {
            "sums": {"arithmetic": {"levels": [1, 2], "size": 24}},
            "programs": {"programs": {"levels": [2], "size": 8}, "task": "code"},
        },
        "output": str(folder / "out"),
        "samples": 2,
        "engine": {"pretrained": str(folder / "model"), "engine": {"class_path": "HFEngine"}},
        "sampling": {"temperature": 1.0, "max_response_length": 12},
        "template": TEMPLATE,
        "rewards": {"workers": 1},
        "rows_per_shard": 20,
    }
    (folder / "predict.yaml").write_text(json.dumps(config))
    run.main(["predict", f"--config={folder / 'predict.yaml'}"])
    return folder / "out"


@pytest.fixture
def command(taught, tmp_path):
    """The command line that fine-tunes on the responses."""
    source = {"path": str(taught), "fields": "sft"}
    config = {
        "trainer": {"callbacks": CALLBACKS, "max_epochs": 6},
        "model": {"init_args": {"schedule": {"warmup_steps": 0, "decay_steps": 4}}},  # nothing is learnt after an epoch
        "data": {"init_args": {"batch_size": 16, "template": TEMPLATE, "bad_rows": "exclude"}},
    }
    config["data"]["init_args"]["heldout"] = {"held": source | {"limit": 10}}
    (tmp_path / "overlay.yaml").write_text(json.dumps(config))

    def of(name: str, *overrides: str) -> list[str]:
        given = ["--config=conf/quickstart/sft.yaml", f"--config={tmp_path / 'overlay.yaml'}"]
        given += [f"--data.sources={json.dumps({'taught': source})}", f"--trainer.logger.save_dir={tmp_path}"]
        return ["fit", *given, f"--trainer.logger.name={name}", *overrides]

    return of


@pytest.fixture
def fit(command, tmp_path):
    """Fine-tunes in this process; gives the run's folder."""

    def start(*overrides: str, name: str = "sft") -> Path:
        run.main(command(name, *overrides))
        return tmp_path / name

    return start


def test_responses_are_learnt_until_an_epoch_is_no_better(fit, capsys):
    curves = metrics(folder := fit())
    assert [step for step, _ in curves["policy/loss"]] == list(range(8))  # 64 responses, 16 a step; two epochs of six
    assert [step for step, _ in curves["eval/held/loss"]] == [3, 7]
    assert curves["policy/loss"][3][1] < curves["policy/loss"][0][1]
    assert {path.name for path in (folder / "exports").iterdir()} == {"epoch-0", "epoch-1"}
    same_weights(folder / "exports/epoch-0", folder / "exports/epoch-1")


def test_every_epoch_must_have_an_order_of_its_own(fit, capsys):
    with pytest.raises(SystemExit):
        fit("--trainer.reload_dataloaders_every_n_epochs=0")
    assert "error: trainer.reload_dataloaders_every_n_epochs: must be 1" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_that_is_resumed_ends_after_the_same_epoch(fit, capsys):
    whole = fit(name="whole")
    parts = fit("--trainer.max_epochs=1", name="parts")
    fit("--ckpt_path=last", name="parts")
    assert metrics(parts) == metrics(whole)
    same_weights(whole / "export", parts / "export")
    with pytest.warns(UserWarning, match="nothing was trained: the run had finished at step 8"):
        fit("--ckpt_path=last", name="parts")
    middle = fit(f"--ckpt_path={whole}/checkpoints/step-000006.ckpt", name="middle")  # of the second epoch
    assert metrics(middle, since=6) == metrics(whole, since=6)
    assert metrics(parts) == metrics(whole)


def test_only_rows_that_are_asked_for(fit, taught):
    source = {"path": f"{taught}/*/*.parquet", "fields": "sft", "where": {"finish_reason": ["length"]}}
    folder = fit(f"--data.sources={json.dumps({'taught': source})}", "--trainer.max_epochs=1", "--data.batch_size=1")
    found = [row for path in taught.glob("*/*.parquet") for row in pq.read_table(path).to_pylist()]
    assert len(metrics(folder)["policy/loss"]) == sum(row["finish_reason"] == "length" for row in found) < 64


@pytest.mark.slow
@pytest.mark.parametrize("step", [*(pytest.param(step, marks=pytest.mark.nightly) for step in (3, 4, 6)), 8])
def test_killed_at_a_checkpoint_it_ends_after_the_same_epoch(fit, command, tmp_path, step):
    """In the middle of an epoch, and at its end, where the plateau has been judged and nothing of it is saved."""
    whole = fit(name="whole")
    dying = [
        sys.executable,
        "tests/scripts/kill_at_rename.py",
        f"*/checkpoints/.step-00000{step}.ckpt",
        *command("killed"),
    ]
    assert subprocess.run(dying, capture_output=True, env=ONE_THREAD, timeout=HANG).returncode == -signal.SIGKILL
    fit("--ckpt_path=last", name="killed")
    assert metrics(tmp_path / "killed") == metrics(whole)
    same_weights(whole / "export", tmp_path / "killed/export")


@pytest.mark.slow
def test_two_ranks_learn_what_one_does(fit, command, tmp_path):
    sgd = ["--model.optimizer=SGD", "--model.optimizer.lr=0.1", "--data.batch_size=15", "--model.micro_batch_tokens=60"]
    one = fit(*sgd, name="one")
    ranks = [sys.executable, "run.py", *command("two", *sgd, *TWO)]
    two = subprocess.run(ranks, capture_output=True, text=True, env=ONE_THREAD, timeout=HANG)
    assert two.returncode == 0, two.stderr
    expected, found = metrics(one), metrics(tmp_path / "two")
    assert expected.keys() == found.keys()
    for tag, curve in expected.items():
        assert dict(found[tag]) == pytest.approx(dict(curve), rel=1e-5), tag
    same_weights(one / "export", tmp_path / "two/export", tolerance=1e-5)
