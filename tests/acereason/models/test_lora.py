"""Adapters against peft's own model, and against weights that are merged by hand."""

from dataclasses import replace

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch.distributed.tensor import DTensor
from transformers import AutoModelForCausalLM

from acereason.algorithm.batching import collate
from acereason.common.errors import UserError
from acereason.common.types import Sequence
from acereason.models.backbone import load_config
from acereason.models.exports import ADAPTER, export, load_weights, stream_weights
from acereason.models.lora import Lora, adapters, dropping, initialize_adapters, read_adapters, weights_of
from acereason.models.qwen import Qwen, build_model
from tests.support.fakes import BACKBONE, CONFIG, TOKENIZER, tiny_qwen
from tests.support.forked_ranks import on_ranks

LORA = Lora(rank=4, alpha=6, targets=["q_proj", "v_proj", "down_proj"])
IDS = list(b"12+34=46, or nearly")
BATCH = collate([Sequence(IDS, 3, 1.0)])


def adapted(lora: Lora = LORA, seed: int = 0, mesh=None, **overrides) -> Qwen:
    backbone = replace(BACKBONE, lora=lora, config=CONFIG | overrides)
    return build_model(load_config(None, backbone), None, backbone, seed, mesh)


def trained(**settings) -> Qwen:
    """A policy with adapters that differ from 0."""
    model = adapted(**settings)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for _, parameter in adapters(model):
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model


def logprobs(model: Qwen) -> torch.Tensor:
    return model.token_logprobs(BATCH, 1.0, 64)[0]


def test_a_new_adapter_changes_nothing_and_is_all_that_learns():
    model, plain = adapted(), tiny_qwen()
    assert torch.equal(logprobs(model), logprobs(plain))
    assert {name: p.shape for name, p in weights_of(model)} == {name: p.shape for name, p in plain.named_parameters()}
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {name for name, _ in adapters(model)}
    assert sum(p.numel() for _, p in adapters(model)) == 2 * 4 * ((64 + 64) + (64 + 32) + (32 + 64))


def test_only_adapters_get_a_gradient():
    model = trained()
    model.policy_loss(BATCH, 1.0, 64)[0].backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == (".lora_" in name), name


def test_the_gradient_is_that_of_the_merged_weights():
    """dL/dB = alpha / rank x dL/dW A^T, and dL/dA = alpha / rank x B^T dL/dW, of a plain model with the merged W."""
    model, plain = trained(), tiny_qwen()
    plain.load_state_dict(dict(stream_weights(model)), strict=False)
    for each in (model, plain):
        each.policy_loss(BATCH, 1.0, 64)[0].backward()
    name = "model.layers.1.mlp.down_proj"
    down, up = (model.get_parameter(f"{name}.lora_{part}.default.weight") for part in "AB")
    grad = plain.get_parameter(f"{name}.weight").grad
    torch.testing.assert_close(up.grad, 1.5 * grad @ down.detach().T, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(down.grad, 1.5 * up.detach().T @ grad, atol=1e-5, rtol=1e-4)


def test_initial_numbers_are_of_the_seed_and_the_name():
    torch.manual_seed(1)
    first = dict(adapters(adapted()))
    torch.manual_seed(2)
    again, other = dict(adapters(adapted())), dict(adapters(adapted(seed=1)))
    for name, parameter in first.items():
        assert torch.equal(parameter, again[name])
        if ".lora_A." in name:
            bound = parameter.shape[1] ** -0.5
            assert 0.9 * bound < parameter.abs().max() <= bound
            assert not torch.equal(parameter, other[name])
        else:
            assert not parameter.any()


@pytest.mark.parametrize("family", [{}, {"model_type": "qwen3", "head_dim": 48, "tie_word_embeddings": False}], ids=str)
def test_an_export_is_merged_and_its_adapters_are_pefts(tmp_path, family):
    model = trained(**family)
    export(model, TOKENIZER, tmp_path / "out", is_writer=True)
    export(tiny_qwen(**family), TOKENIZER, tmp_path / "base", is_writer=True)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    base = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)
    theirs = PeftModel.from_pretrained(base, tmp_path / "out" / ADAPTER)
    for found in (merged, theirs):
        logits = found(input_ids=torch.tensor([IDS])).logits[0]
        expected = torch.log_softmax(logits, -1)[2:-1].gather(-1, BATCH.targets[:, None])[:, 0]
        torch.testing.assert_close(logprobs(model), expected, atol=1e-5, rtol=1e-5)
    assert not [name for name in load_file(tmp_path / "out/model.safetensors") if "lora" in name or "base" in name]


def test_weights_of_an_export_are_its_adapters(tmp_path):
    source, target = trained(), adapted()
    export(source, TOKENIZER, tmp_path / "out", is_writer=True)
    load_weights(target, tmp_path / "out")
    for (name, mine), (_, theirs) in zip(adapters(target), adapters(source), strict=True):
        assert torch.equal(mine, theirs), name


def test_an_export_of_other_adapters_is_refused(tmp_path):
    export(tiny_qwen(), TOKENIZER, tmp_path / "plain", is_writer=True)
    with pytest.raises(UserError, match="no adapters there; it was exported without model.backbone.lora"):
        load_weights(adapted(), tmp_path / "plain")
    export(adapted(), TOKENIZER, tmp_path / "out", is_writer=True)
    with pytest.raises(UserError, match="adapters of another model or other targets: .*down_proj.lora_A"):
        read_adapters(adapted(Lora(targets=["o_proj"])), tmp_path / "out" / ADAPTER)


def test_ranks_hold_rows_of_what_one_process_holds():
    def held(mesh) -> dict[str, list]:
        model = adapted(mesh=mesh)
        assert all(isinstance(parameter, DTensor) for parameter in model.parameters())
        model.policy_loss(BATCH, 1.0, 64)[0].backward()
        trains = {name: p.grad.full_tensor().tolist() for name, p in adapters(model) if p.requires_grad}
        return {name: tensor.tolist() for name, tensor in stream_weights(model)} | trains

    whole = adapted()
    whole.policy_loss(BATCH, 1.0, 64)[0].backward()
    expected = {name: tensor.tolist() for name, tensor in stream_weights(whole)}
    expected |= {name: p.grad.tolist() for name, p in adapters(whole)}
    for found in on_ranks(3, held):
        assert not isinstance(found, Exception), found
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            torch.testing.assert_close(torch.tensor(found[name]), torch.tensor(values), atol=1e-6, rtol=1e-4)


def test_dropout_is_of_its_seed_and_ends_with_its_context():
    lora = replace(LORA, dropout=0.5)
    model = trained(lora=lora)
    plain = logprobs(model)

    def dropped(seed: int) -> torch.Tensor:
        with dropping(model, lora, seed, torch.device("cpu")):
            return logprobs(model)

    state = torch.get_rng_state()
    first, again, other = dropped(1), dropped(1), dropped(2)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, plain)
    assert torch.equal(logprobs(model), plain)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 0}, r"lora\.rank: must be at least 1, not 0"),
        ({"alpha": -1}, r"lora\.alpha: must be above 0, not -1"),
        ({"dropout": 1.0}, r"lora\.dropout: must be at least 0 and below 1, not 1"),
        ({"targets": ["q_proj", "lm_head"]}, r"lora\.targets: no 'lm_head'; name some of q_proj, k_proj"),
        ({"targets": []}, r"lora\.targets: no 'none'"),
    ],
)
def test_mistakes_name_the_key(settings, message):
    with pytest.raises(ValueError, match=message):
        Lora(**settings)


def test_initialize_leaves_the_weights():
    model = trained()
    before = {name: parameter.clone() for name, parameter in weights_of(model)}
    initialize_adapters(model, 3)
    assert all(torch.equal(before[name], parameter) for name, parameter in weights_of(model))
