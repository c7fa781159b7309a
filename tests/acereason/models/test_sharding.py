"""A model that each rank builds its rows of is the model that is built whole, its weights bit for bit."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.distributed.tensor import DTensor
from transformers import AutoModelForCausalLM

from acereason.algorithm.batching import collate
from acereason.common.errors import UserError
from acereason.common.types import Sequence
from acereason.models import files
from acereason.models.backbone import Backbone, load_config
from acereason.models.exports import export, load_weights, stream_weights
from acereason.models.qwen import build_model, shapes_by
from tests.scripts import build_sharded
from tests.support.fakes import BACKBONE, CONFIG, TOKENIZER, tiny_qwen
from tests.support.forked_ranks import on_ranks
from tests.support.killed_runs import ONE_THREAD

RANKS = 3  # which no size of the model is a multiple of
UNTIED = CONFIG | {"tie_word_embeddings": False}
QWEN3 = CONFIG | {"model_type": "qwen3", "head_dim": 48}


def whole_of(model) -> dict[str, list]:
    """Every weight and buffer, gathered; numbers of the forward pass; and what of it this rank holds, in bytes."""
    assert not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))
    assert all(isinstance(parameter, DTensor) for parameter in model.parameters())
    found = {name: tensor.tolist() for name, tensor in stream_weights(model)}
    found |= {name: tensor.tolist() for name, tensor in model.named_buffers()}
    batch = collate([Sequence(list(b"12+34=46"), 3, 1.0)])
    found["logprobs"] = model.token_logprobs(batch, 1.0, 64)[0].tolist()
    return found | {"tied": model.lm_head.weight is model.model.embed_tokens.weight, "trains": model.training}


def expected(model) -> dict[str, list]:
    found = {name: tensor.tolist() for name, tensor in stream_weights(model)}
    found |= {name: tensor.tolist() for name, tensor in model.named_buffers()}
    batch = collate([Sequence(list(b"12+34=46"), 3, 1.0)])
    found["logprobs"] = model.token_logprobs(batch, 1.0, 64)[0].tolist()
    return found | {"tied": model.lm_head.weight is model.model.embed_tokens.weight, "trains": True}


def same(ranks: list, expected: dict[str, list]) -> None:
    for found in ranks:
        assert not isinstance(found, Exception), found
        # gathered weights lie elsewhere in memory, by which some processors' BLAS rounds otherwise
        assert found.pop("logprobs") == pytest.approx(expected["logprobs"], rel=1e-5)
        assert found == {name: value for name, value in expected.items() if name != "logprobs"}


def built(pretrained: str | None, backbone: Backbone) -> None:
    config = load_config(pretrained, backbone)
    theirs = expected(build_model(config, pretrained, backbone, seed=4))
    same(on_ranks(RANKS, lambda mesh: whole_of(build_model(config, pretrained, backbone, 4, mesh))), theirs)


@pytest.mark.parametrize("config", [CONFIG, UNTIED, QWEN3], ids=["tied", "untied", "Qwen3"])
def test_random_weights_are_those_of_the_seed(config):
    built(None, Backbone(config=config, tokenizer="bytes"))


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_folders_weights(tmp_path, tied, dtype):
    export(tiny_qwen(tie_word_embeddings=tied), TOKENIZER, tmp_path / "out", is_writer=True, dtype=dtype)
    built(str(tmp_path / "out"), Backbone(rope_theta=1e6))


def test_a_folder_of_several_files(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_FILE_BYTES", 70_000)
    export(tiny_qwen(), TOKENIZER, tmp_path / "out", is_writer=True)
    parts = sorted(path.name for path in (tmp_path / "out").glob("*.safetensors"))
    assert len(parts) == 4
    index = json.loads((tmp_path / "out/model.safetensors.index.json").read_text())
    assert {*index["weight_map"].values()} == {*parts}
    built(str(tmp_path / "out"), Backbone())
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tiny_qwen().state_dict().items())


def as_bin(folder: Path) -> None:
    """The format before safetensors."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")


def without_prefix(folder: Path) -> None:
    """Names as a bare Qwen2Model saves them."""
    weights = load_file(folder / "model.safetensors")
    bare = {name.removeprefix("model."): tensor for name, tensor in weights.items()}
    save_file(bare, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize("change", [as_bin, without_prefix])
def test_what_only_transformers_reads(tmp_path, change):
    export(tiny_qwen(), TOKENIZER, tmp_path / "out", is_writer=True)
    change(tmp_path / "out")
    built(str(tmp_path / "out"), Backbone())


def cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


def cut_bin(folder: Path) -> None:
    as_bin(folder)
    file = folder / "pytorch_model.bin"
    file.write_bytes(file.read_bytes()[:-1000])


def of_another_shape(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] = torch.ones(63)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize("damage", [cut, cut_bin, of_another_shape])
def test_damage_is_a_mistake_that_every_rank_tells(tmp_path, damage):
    export(tiny_qwen(), TOKENIZER, tmp_path / "out", is_writer=True)
    damage(tmp_path / "out")
    config = load_config(str(tmp_path / "out"), Backbone())
    for error in on_ranks(RANKS, lambda mesh: build_model(config, str(tmp_path / "out"), Backbone(), 0, mesh)):
        assert isinstance(error, UserError)
        assert str(error).startswith(f"model.pretrained: the model in {tmp_path / 'out'} can't be loaded:")


def test_ranks_take_and_write_an_export_together(tmp_path):
    """They begin with other weights, go through a forward pass, take the export's, and write the same again."""
    policy = tiny_qwen(initializer_range=0.3)
    export(policy, TOKENIZER, tmp_path / "first", is_writer=True)

    def work(mesh):
        model = build_model(load_config(None, BACKBONE), None, BACKBONE, 1, mesh)
        whole_of(model)  # which leaves the outermost parameters gathered
        load_weights(model, tmp_path / "first")
        export(model, TOKENIZER, tmp_path / "second", is_writer=mesh.get_rank() == 0)
        return whole_of(model)

    same(on_ranks(RANKS, work), expected(policy))
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("first", "second"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_writer_that_fails_leaves_no_rank_waiting(tmp_path):
    (tmp_path / "file").touch()

    def work(mesh):
        model = build_model(load_config(None, BACKBONE), None, BACKBONE, 1, mesh)
        export(model, TOKENIZER, tmp_path / "file/out", is_writer=mesh.get_rank() == 0)
        return "went on"

    first, *others = on_ranks(2, work)
    assert isinstance(first, OSError)
    assert others == ["went on"]


@pytest.mark.parametrize("spoil", [lambda w: w | {"model.extra": torch.zeros(1)}, lambda w: dict([*w.items()][1:])])
def test_an_export_of_another_model_is_refused(tmp_path, spoil):
    export(tiny_qwen(), TOKENIZER, tmp_path, is_writer=True)
    save_file(spoil(load_file(tmp_path / "model.safetensors")), tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="exported from another model"):
        load_weights(tiny_qwen(), tmp_path)
    with pytest.raises(UserError, match="no exported policy there"):
        load_weights(tiny_qwen(), tmp_path / "nowhere")


@pytest.mark.slow
def test_four_ranks_hold_one_model_between_them_not_one_each(tmp_path):
    """A model of 371 MB. Beyond its shards a rank holds a tensor or two, of 50 MB at most; the first one makes random
    weights whole."""
    command = [sys.executable, "tests/scripts/build_sharded.py"]
    ranks = [
        subprocess.Popen([*command, str(rank), "4", str(tmp_path)], env=ONE_THREAD | {"PYTHONPATH": "."})
        for rank in range(4)
    ]
    assert [rank.wait(280) for rank in ranks] == [0] * 4
    told = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(4)]
    whole, tensor = sum(rank["shards"] for rank in told), 4 * 16385 * 768
    assert whole == 4 * sum(
        math.prod(shape) for shape in shapes_by(load_config(None, Backbone(config=build_sharded.CONFIG))).values()
    )
    for number, rank in enumerate(told):
        assert rank["read"] < rank["shards"] + tensor
        assert rank["restart"] < tensor
        assert rank["export"] < 3 * tensor  # gathered in float32, in bfloat16, and padded between
        assert rank["made"] < (whole if number == 0 else rank["shards"]) + 3 * tensor
