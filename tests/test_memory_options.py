"""Runs with what makes them smaller: offloaded, and with an optimizer of 8 bits."""

import importlib.util

import pytest
from safetensors.torch import load_file

from acereason.common.errors import UserError
from acereason.modules.base import QwenModule
from tests.support.comparison import SGD, equal, fit, metrics, same_weights
from tests.support.fakes import BACKBONE
from tests.test_two_ranks import ONE, TWO

OFFLOAD = ["--model.backbone.offload=true"]
EIGHT_BITS = ["--model.optimizer.class_path=torchao.optim.AdamW8bit", "--model.optimizer.init_args.lr=1e-3"]
WIDER = ["--model.backbone.config.hidden_size=128", "--model.backbone.config.intermediate_size=128"]
"""So that the half of a weight has the 4,096 numbers from which on torchao takes 8 bits."""
needs_torchao = pytest.mark.skipif(
    importlib.util.find_spec("torchao") is None, reason="torchao is not installed: pip install -e .[8bit]"
)


@pytest.mark.nightly
def test_an_offloaded_run_on_two_ranks_is_that_of_one_process_and_resumes_bit_for_bit(tmp_path):
    one, two = fit(tmp_path, "one", *SGD), fit(tmp_path, "two", *SGD, *TWO, *OFFLOAD)
    equal(one, two)
    again = fit(tmp_path, "again", *SGD, *TWO, *OFFLOAD, f"--ckpt_path={two}/checkpoints/step-000003.ckpt")
    assert metrics(again, since=3) == metrics(two, since=3)
    same_weights(again / "export", two / "export")


@pytest.mark.gpu
def test_on_a_gpu_an_offloaded_run_resumes(tmp_path):
    hardware = ["--config=conf/hardware/1gpu-offload.yaml", "--model.optimizer.fused=true"]
    whole = fit(tmp_path, "whole", *hardware)
    resumed = fit(tmp_path, "resumed", *hardware, f"--ckpt_path={whole}/checkpoints/step-000003.ckpt")
    first, second = (dict(metrics(folder, since=3)["policy/loss"]) for folder in (whole, resumed))
    assert first.keys() == second.keys()
    assert second[3] == pytest.approx(first[3], rel=1e-3)


@pytest.mark.nightly
def test_a_checkpoint_goes_on_with_and_without_offloading(tmp_path):
    plain, offloaded = fit(tmp_path, "plain", *SGD, *TWO), fit(tmp_path, "offloaded", *SGD, *TWO, *OFFLOAD)
    assert metrics(plain) == metrics(offloaded)
    for name, source, options in [("on", plain, OFFLOAD), ("off", offloaded, [])]:
        resumed = fit(tmp_path, name, *SGD, *TWO, *options, f"--ckpt_path={source}/checkpoints/step-000003.ckpt")
        assert metrics(resumed, since=3) == metrics(plain, since=3)
        same_weights(resumed / "export", plain / "export")


@needs_torchao
@pytest.mark.nightly
@pytest.mark.parametrize("options", [ONE, [*TWO, *OFFLOAD]], ids=["one rank", "two ranks, offloaded"])
def test_moments_of_8_bits_resume_bit_for_bit(tmp_path, options):
    """It compiles its step for each shape, which takes minutes."""
    options = [*EIGHT_BITS, *WIDER, *options, "--trainer.max_steps=5"]
    whole = fit(tmp_path, "whole", *options)
    resumed = fit(tmp_path, "resumed", *options, f"--ckpt_path={whole}/checkpoints/step-000003.ckpt")
    assert metrics(resumed, since=3) == metrics(whole, since=3)
    same_weights(resumed / "export", whole / "export")
    parameters = sum(tensor.numel() for tensor in load_file(whole / "export/model.safetensors").values())
    shards = (whole / "checkpoints/step-000003.ckpt").glob("*.distcp")
    each = sum(path.stat().st_size for path in shards) / parameters
    assert each < 9  # 12 in float32, 6.03 in 8 bits; small tensors stay as they are, and each has a head in the file


@needs_torchao
def test_torchao_without_fsdp2_is_refused():
    from torchao.optim import AdamW8bit

    with pytest.raises(UserError, match=r"^model.optimizer: a torchao optimizer needs FSDP2"):
        QwenModule(backbone=BACKBONE, optimizer=AdamW8bit).check_sharding(has_mesh=False, ranks=1)
