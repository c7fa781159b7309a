"""Lightning's loops choose inference_mode on GPUs, under which FSDP2's parameters can't be streamed."""

import json
import os
import subprocess
import sys

import pytest
import torch
from lightning.pytorch.loops import utilities

import run
from acereason.modules.rollout import RolloutModule
from tests.support.evaluations import arguments, config
from tests.support.killed_runs import ONE_THREAD
from tests.support.limits import HANG
from tests.test_two_ranks import ONE, TWO

SWEEP = ["--temperatures=[1.0]", "--problems=2", "--rollouts=1"]


@pytest.fixture
def chosen(monkeypatch) -> list[bool]:
    """Whether weights were pushed under inference_mode, each time."""
    seen, push = [], RolloutModule.push_weights
    monkeypatch.setattr(utilities, "_distributed_is_initialized", lambda: False)
    monkeypatch.setattr(RolloutModule, "push_weights", lambda self: (seen.append(_modes()), push(self))[1])
    return seen


def _modes() -> tuple[bool, bool]:
    return torch.is_inference_mode_enabled(), torch.is_grad_enabled()


def debug(verb: str, folder, *more: str) -> list[str]:
    return [verb, "--config=conf/debug.yaml", f"--trainer.logger.save_dir={folder}", *more]


@pytest.mark.parametrize(
    "asked",
    [[], pytest.param(["--trainer.inference_mode=true"], marks=[pytest.mark.slow, pytest.mark.nightly])],
    ids=["by default", "asked for"],
)
@pytest.mark.parametrize(
    "verb", ["calibrate", *(pytest.param(name, marks=pytest.mark.slow) for name in ("validate", "test"))]
)
def test_on_a_mesh_of_one(tmp_path, chosen, verb, asked):
    run.main(debug(verb, tmp_path, *ONE, *asked, *(SWEEP if verb == "calibrate" else [])))
    assert chosen == [(False, False)]
    assert not {"MASTER_PORT", "LOCAL_RANK"} & os.environ.keys()  # a later run would take itself for one of these ranks


def test_an_evaluation_on_a_mesh_of_one(tmp_path, chosen):
    run.main(arguments(config(tmp_path), tmp_path / "out", *ONE, "--data.only=[sums]", "--data.n=1"))
    assert json.loads((tmp_path / "out/results.json").read_text())["benchmarks"]["sums"]["n"] == 1


@pytest.mark.slow
def test_without_a_mesh_it_may_be_asked_for(tmp_path, chosen):
    run.main(debug("validate", tmp_path))
    run.main(debug("validate", tmp_path, "--trainer.inference_mode=true"))
    assert chosen == [(False, False), (True, False)]


@pytest.mark.nightly
def test_on_two_ranks(tmp_path):
    command = [sys.executable, "tests/scripts/under_nccl.py", *debug("calibrate", tmp_path, *TWO, *SWEEP)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, env=ONE_THREAD)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "calibration/calibration.json").exists()


@pytest.mark.nightly
@pytest.mark.parametrize("verb", ["validate", "test"])
def test_looks_on_two_ranks(tmp_path, verb):
    command = [sys.executable, "tests/scripts/under_nccl.py", *debug(verb, tmp_path, *TWO)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, env=ONE_THREAD)
    assert done.returncode == 0, done.stderr
