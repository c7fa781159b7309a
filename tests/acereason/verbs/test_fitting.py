"""Checkpoints that don't fit: of another model, task, optimizer, or state of another shape."""

import pytest
import torch
from torch.distributed import checkpoint as dcp

from acereason.common.errors import UserError
from acereason.data.rl import RLData
from acereason.data.sft import SFTData
from acereason.runs.checkpoints import settings_of, shapes_of
from acereason.verbs.fitting import fitting, refuse_other_run, refuse_other_weights, refuse_shards, restore_callbacks
from callbacks import EasyFilter, Evaluation, Plateau

ADAM, SGD = ({"params", "lr", *names} for names in (("betas", "eps"), ("momentum", "dampening")))
WEIGHTS = {"a": torch.zeros(2, 3), "b": torch.zeros(4)}


def whole_file(path, settings=(), **more):
    optimizer = {"state": {}, "param_groups": [dict.fromkeys(settings, 0)]}
    state = {"state_dict": WEIGHTS, "global_step": 1, "loops": {}, "optimizer_states": [optimizer]}
    torch.save(state | more, path)
    return path


def shards(path, settings=(), **more):
    """As ModelParallelStrategy writes on one rank."""
    names = {f"a.{name}": 0 for name in settings}
    dcp.save({"state_dict": WEIGHTS, "optimizer_0": {"param_groups": names}}, checkpoint_id=path)
    torch.save({"global_step": 1, "loops": {}} | more, path / "meta.pt")
    return path


@pytest.fixture(params=[whole_file, shards])
def saved(request, tmp_path):
    return lambda *args, **kwargs: request.param(tmp_path / "step-000001.ckpt", *args, **kwargs)


def made(kind):
    return kind.__new__(kind)


def test_what_a_checkpoint_holds_is_told_without_reading_it(saved):
    checkpoint = saved(ADAM)
    assert shapes_of(checkpoint) == {"a": [2, 3], "b": [4]}
    assert settings_of(checkpoint) == {"lr", "betas", "eps"}
    assert settings_of(saved()) == set()


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"a": [2, 3], "b": [5]}, r"b is \[4\] in it, and \[5\] in the model"),
        ({"a": [2, 3], "b": [4], "c": [1]}, r"c is missing in it, and \[1\] in the model"),
        ({"a": [2, 3]}, r"b is \[4\] in it, and missing in the model"),
    ],
)
def test_another_model(saved, wanted, told):
    checkpoint = saved()
    refuse_other_weights(checkpoint, {"b": [4], "a": [2, 3]})
    with pytest.raises(UserError, match=rf"^ckpt_path: .*step-000001\.ckpt is of another model: {told}"):
        refuse_other_weights(checkpoint, wanted)


def test_shards_need_a_strategy_that_reads_them(tmp_path):
    shards(tmp_path / "step-000001.ckpt")
    refuse_shards(tmp_path / "step-000001.ckpt", sharded=True)
    whole_file(tmp_path / "step-000002.ckpt")
    refuse_shards(tmp_path / "step-000002.ckpt", sharded=False)
    with pytest.raises(UserError, match="step-000001.ckpt is a checkpoint in shards, which trainer.strategy Model"):
        refuse_shards(tmp_path / "step-000001.ckpt", sharded=False)


def test_another_kind_of_training(saved):
    of_rl = saved(ADAM, RLData={"plan": None})
    refuse_other_run(of_rl, made(RLData), ADAM - {"params"})
    with pytest.raises(UserError, match="step-000001.ckpt is of RL, and data is SFTData; begin a new run from"):
        refuse_other_run(of_rl, made(SFTData), ADAM - {"params"})
    of_sft = saved(ADAM)
    refuse_other_run(of_sft, made(SFTData), ADAM - {"params"})
    with pytest.raises(UserError, match="step-000001.ckpt is of SFT, and data is RLData"):
        refuse_other_run(of_sft, made(RLData), ADAM - {"params"})


def test_another_optimizer(saved):
    of_adam = saved(ADAM)
    with pytest.raises(UserError, match=r"^model\.optimizer: .* holds the state of another one, which has betas, eps;"):
        refuse_other_run(of_adam, made(SFTData), SGD - {"params"})
    refuse_other_run(of_adam, made(SFTData), {*ADAM, "added_by_a_newer_torch"} - {"params"})
    refuse_other_run(saved(), made(SFTData), SGD)


def test_a_state_of_another_shape_names_the_callback(tmp_path):
    path, held = tmp_path / "run/checkpoints/x.ckpt", {"callbacks": {Plateau().state_key: {"stage": "a"}}}
    with pytest.raises(UserError) as error:
        restore_callbacks([EasyFilter(), Plateau()], held, path)
    assert str(error.value) == (
        f"ckpt_path: {path}: what it holds of Plateau can't be read (KeyError: 'best'), as of another version or "
        f"configuration; begin a new run from an export, --model.pretrained {tmp_path}/run/export"
    )


def test_callbacks_that_a_checkpoint_does_not_know_begin(tmp_path):
    evaluation = Evaluation(every_n_steps=3)
    restore_callbacks([evaluation], {"callbacks": {"another": {"x": 1}}}, tmp_path)
    restore_callbacks([evaluation], {}, tmp_path)
    restore_callbacks([evaluation], {"callbacks": {evaluation.state_key: {"broken_off": True}}}, tmp_path)
    assert evaluation.state_dict() == {"broken_off": True}


def test_what_is_no_misfit_is_not_hidden(tmp_path):
    with pytest.raises(UserError, match="^data.stages: of its own$"), fitting(tmp_path, "RLData"):
        raise UserError("data.stages: of its own")
    with pytest.raises(MemoryError), fitting(tmp_path, "RLData"):
        raise MemoryError
