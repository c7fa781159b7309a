"""A teacher in whole runs of conf/debug.yaml: nothing depends on ranks, micro batches or a resume."""

import pytest
import torch

from acereason.models.backbone import Backbone, load_config
from acereason.models.exports import export
from acereason.models.qwen import build_model
from acereason.runs.curves import read_events
from tests.support.comparison import SGD, equal, fit
from tests.support.fakes import CONFIG, TOKENIZER
from tests.test_two_ranks import TWO

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """Flags for a teacher of random weights, one layer larger than the policy, beside the verifier."""
    backbone = Backbone(config=CONFIG | {"num_hidden_layers": 3}, tokenizer="bytes")
    model = build_model(load_config(None, backbone), None, backbone, seed=7)
    folder = tmp_path_factory.mktemp("teacher") / "export"
    export(model, TOKENIZER, folder, is_writer=True)
    teacher = {"pretrained": folder, "coefficient": 0.1, "verifier": 1.0}
    return [*SGD, "--trainer.max_steps=6", *(f"--model.teacher.{name}={value}" for name, value in teacher.items())]


@pytest.fixture(scope="module")
def one(taught, tmp_path_factory):
    return fit(tmp_path_factory.mktemp("one"), "one", *taught)


def test_two_ranks_with_other_micro_batches_equal_one(taught, one, tmp_path):
    equal(one, fit(tmp_path, "two", *taught, *TWO, "--model.micro_batch_tokens=20"))
    curves = read_events(one)
    assert all(value > 0 for _, value in curves["distill/kl"])
    assert {value for _, value in curves["distill/errors"]} == {0.0}
    assert {value for _, value in curves["reward/zero_variance"]} == {0.0}  # every group has a gradient


def test_a_resumed_run_equals_one_that_went_through(taught, one, tmp_path):
    checkpoint = one / "checkpoints" / "step-000003.ckpt"
    equal(one, fit(tmp_path, "resumed", *taught, f"--ckpt_path={checkpoint}"), since=3)
    names = torch.load(checkpoint, weights_only=False)["state_dict"]
    assert not [name for name in names if not name.startswith(("model.model.", "model.lm_head."))]
    assert not [name for name in names if "layers.2." in name]  # the policy's two layers alone
