"""Runs with adapters: they resume exactly, don't depend on the number of ranks, and roll out with their adapters."""

import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from acereason.models import exports
from acereason.verbs.lightning_cli import lightning_cli
from acereason.verbs.starting import Begin
from tests.support.comparison import SGD, equal, fit
from tests.support.limits import HANG
from tests.test_two_ranks import TWO

LORA = ["--model.backbone.lora.rank=4", "--model.backbone.lora.alpha=8"]
FASTER = ["--model.optimizer.lr=0.3"]  # so that metrics move by more than rounding


@pytest.mark.slow
def test_two_ranks_and_a_resumed_run_equal_one(tmp_path):
    one = fit(tmp_path, "one", *SGD, *FASTER, *LORA)
    equal(one, fit(tmp_path, "two", *SGD, *FASTER, *LORA, *TWO))
    resumed = fit(tmp_path, "again", *SGD, *FASTER, *LORA, f"--ckpt_path={one}/checkpoints/step-000003.ckpt")
    equal(one, resumed, since=3)
    state = torch.load(one / "checkpoints/step-000003.ckpt", weights_only=False)
    assert len(state["optimizer_states"][0]["state"]) == 2 * 7 * 2  # the adapters' alone
    assert {"adapter_config.json", "adapter_model.safetensors"} <= {p.name for p in (one / "export/adapter").iterdir()}
    adapters = load_file(one / "export/adapter/adapter_model.safetensors")
    assert all(tensor.abs().max() > 1e-4 for name, tensor in adapters.items() if "lora_B" in name)


def test_an_engine_without_the_adapters_is_refused(tmp_path, monkeypatch):
    """Peers rolled out with the base model for months: here the probe after the first update ends the run."""

    def base(state, lora):
        yield from ((name.replace(".base_layer", ""), tensor) for name, tensor in state.items() if "lora_" not in name)

    monkeypatch.setattr(exports, "merged_weights", base)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    logger = [f"--trainer.logger.save_dir={tmp_path}", "--trainer.logger.name=run"]
    cli = lightning_cli(["--config=conf/debug.yaml", *logger, *LORA, "--model.optimizer.lr=0.05"], run=False)
    cli.trainer.callbacks = [each for each in cli.trainer.callbacks if not isinstance(each, Begin)]
    with pytest.raises(RuntimeError, match="log-probs differ from the trainer's.* not hold the policy of step 1"):
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)


def test_dropout_is_refused_in_rl():
    arguments = ["fit", "--config=conf/debug.yaml", *LORA, "--model.backbone.lora.dropout=0.1"]
    ended = subprocess.run([sys.executable, "run.py", *arguments], capture_output=True, text=True, timeout=HANG)
    assert ended.returncode == 2
    assert (
        "error: model.backbone.lora.dropout: must be 0 in RL: the engine of the rollouts drops nothing" in ended.stderr
    )
    assert "Traceback" not in ended.stderr
