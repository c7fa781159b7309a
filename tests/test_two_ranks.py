"""FSDP2 on two processes gives what one process gives."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from callbacks.curves import read_curves


def fit(folder: Path, name: str, *overrides: str) -> Path:
    logger = [f"--trainer.logger.save_dir={folder}", f"--trainer.logger.name={name}"]
    command = [sys.executable, "run.py", "fit", "--config=conf/debug.yaml", *logger, *overrides]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder / name


@pytest.mark.slow
def test_two_ranks_equal_one(tmp_path):
    sharded = ["--trainer.devices=2", "--trainer.strategy=ModelParallelStrategy"]
    mesh = ["--trainer.strategy.data_parallel_size=2", "--trainer.strategy.tensor_parallel_size=1"]
    one, two = fit(tmp_path, "one"), fit(tmp_path, "two", *sharded, *mesh)
    mine, theirs = read_curves(one), read_curves(two)
    for tag in (
        "policy/loss",
        "policy/entropy",
        "policy/grad_norm",
        "response/tokens",
        "stage/remaining",
        "eval/heldout/avg",
    ):
        assert dict(theirs[tag]) == pytest.approx(dict(mine[tag]), rel=1e-5)
    weights = [load_file(folder / "export/model.safetensors") for folder in (one, two)]
    for name in weights[0]:
        torch.testing.assert_close(weights[0][name], weights[1][name], atol=1e-4, rtol=0)  # AdamW at 1e-2, nine steps
