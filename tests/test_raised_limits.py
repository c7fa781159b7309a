"""A resumed run is under the configuration that it is given: what was raised counts, decisions are made anew."""

import json
import shutil

import pytest
import torch
import yaml

import run
from acereason.runs.curves import read_curves
from tests.support.comparison import metrics, same_weights

pytestmark = pytest.mark.slow

ROWS = [{"id": n, "statement": f"{n}+1=", "response": f"<think>{n}</think>{n + 1}"} for n in range(12)]
SFT = """
seed_everything: 0
trainer:
  accelerator: cpu
  devices: 1
  max_epochs: 2
  reload_dataloaders_every_n_epochs: 1
  log_every_n_steps: 1
  num_sanity_val_steps: 0
  logger: {class_path: TensorBoardLogger, init_args: {save_dir: FOLDER, version: "", default_hp_metric: false}}
  callbacks:
    - {class_path: Recorder}
    - {class_path: SFTPlateau, init_args: {monitor: eval/held/loss, mode: min, patience: 9}}
    - {class_path: Export}
    - {class_path: Checkpoints, init_args: {every_n_steps: 100}}
model:
  class_path: SFTModule
  init_args:
    backbone:
      config: {vocab_size: 260, hidden_size: 32, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 1,
               num_key_value_heads: 1, max_position_embeddings: 64, tie_word_embeddings: true}
      tokenizer: bytes
    optimizer: {class_path: AdamW, init_args: {lr: 0.01}}
    seed: ${seed_everything}
data:
  class_path: SFTData
  init_args:
    sources: {rows: {path: FOLDER/rows.jsonl, fields: {statement: statement, answer: null, solution: response, id: id}}}
    heldout: {held: {path: FOLDER/rows.jsonl, fields: {statement: statement, answer: null, solution: response, id: id}}}
    batch_size: 4
    max_length: 64
    template: {math: "{statement}", layout: "{user}\\n<think>"}
    seed: ${seed_everything}
"""


@pytest.fixture
def sft(tmp_path):
    """Runs SFT of three steps an epoch in this process and returns the run's folder."""
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (tmp_path / "sft.yaml").write_text(SFT.replace("FOLDER", str(tmp_path)))

    def start(*overrides: str, name: str):
        run.main(["fit", f"--config={tmp_path / 'sft.yaml'}", f"--trainer.logger.name={name}", *overrides])
        return tmp_path / name

    return start


def same(first, second) -> None:
    assert metrics(first) == metrics(second)
    same_weights(first / "export", second / "export")


def test_more_epochs_and_more_steps_than_a_finished_run_had(sft):
    """Each resumed run equals the one that had the higher limit from the start, to the bit."""
    whole = sft("--trainer.max_epochs=3", name="whole")
    more = sft(name="more")
    same(whole, sft("--trainer.max_epochs=3", "--ckpt_path=last", name=more.name))
    cut = sft("--trainer.max_steps=4", name="cut")  # within the second epoch
    assert sorted(path.name for path in (cut / "checkpoints").iterdir()) == ["step-000003.ckpt", "step-000004.ckpt"]
    same(whole, sft("--trainer.max_epochs=3", "--ckpt_path=last", name=cut.name))


def test_a_patience_that_is_raised_after_the_end(sft):
    def settings(patience: int) -> list[str]:
        plateau = {"monitor": "eval/held/loss", "mode": "max", "patience": patience}  # a loss that falls is no better
        listed = [{"class_path": "Recorder"}, {"class_path": "SFTPlateau", "init_args": plateau}]
        listed += [{"class_path": "Export"}, {"class_path": "Checkpoints", "init_args": {"every_n_steps": 100}}]
        return [f"--trainer.callbacks={json.dumps(listed)}", "--trainer.max_epochs=4"]

    ended = sft(*settings(patience=1), name="ended")
    assert len(metrics(ended)["policy/loss"]) == 6
    again = sft(*settings(patience=1), "--ckpt_path=last", name="ended")
    assert len(metrics(again)["policy/loss"]) == 6
    raised = sft(*settings(patience=9), "--ckpt_path=last", name="ended")
    same(raised, sft(*settings(patience=9), name="whole"))


def test_the_optimizers_settings_are_the_configs(sft):
    sft("--trainer.max_epochs=1", name="run")
    decay = ["--model.optimizer.weight_decay=0.5", "--model.optimizer.betas=[0.5,0.6]"]
    folder = sft(*decay, "--ckpt_path=last", name="run")
    (newest,) = (folder / "checkpoints").glob("step-000006.ckpt")
    (group,) = torch.load(newest, weights_only=True)["optimizer_states"][0]["param_groups"]
    assert (group["weight_decay"], tuple(group["betas"])) == (0.5, (0.5, 0.6))


def test_a_stages_patience_steps_and_epochs(debug_run, tmp_path):
    """`long` ends by its patience of 1 after four of its six steps, `short` by its steps: raised, both go on."""
    stages = ["--data.stages={short: {}, long: {}}", "--data.stages.long.easy_filter=false"]
    ended = debug_run(*stages, name="ended")
    assert [value for _, value in read_curves(ended)["stage/index"]] == [0] * 4 + [1] * 4
    shutil.copytree(ended, tmp_path / "again")
    debug_run(*stages, "--ckpt_path=last", name="again")
    assert len(read_curves(tmp_path / "again")["stage/index"]) == 8
    debug_run(*stages, "--data.stages.long.patience=9", "--ckpt_path=last", name="ended")
    assert [value for _, value in read_curves(ended)["stage/index"]] == [0] * 4 + [1] * 6
    from_short = f"--ckpt_path={tmp_path}/again/checkpoints/step-000004-end-of-short.ckpt"
    longer = debug_run(*stages, "--data.stages.short.steps=6", from_short, name="longer")
    assert [value for _, value in read_curves(longer)["stage/index"]][:3] == [0, 0, 1]


def test_a_limit_of_steps_within_an_epoch(debug_run):
    stages = ["--data.stages={short: {}}"]
    whole = debug_run(*stages, name="whole")
    cut = debug_run(*stages, "--trainer.max_steps=3", name="cut")
    same(whole, debug_run(*stages, "--ckpt_path=last", name=cut.name))


def test_the_config_of_a_resumed_run_starts_the_same_run_again(sft, debug_run, tmp_path):
    sft("--trainer.max_epochs=1", name="run")
    learnt = sft("--ckpt_path=last", name="run")
    debug_run("--data.stages={short: {steps: 2}}", name="rl")
    rolled = debug_run("--data.stages={short: {steps: 4}}", "--ckpt_path=auto", name="rl")
    for folder in (learnt, rolled):
        run.main(["fit", f"--config={folder / 'config.yaml'}"])
        same(folder, tmp_path / f"{folder.name}~1")
        saved, before = (path / "config.yaml" for path in (folder, tmp_path / f"{folder.name}~1"))
        assert yaml.safe_load(saved.read_text()) == yaml.safe_load(before.read_text())
