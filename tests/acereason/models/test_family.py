"""Each family against transformers' own model of it: alone, packed, exported, and by the embedded engine."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from acereason.algorithm.batching import collate
from acereason.common.errors import UserError
from acereason.common.types import Sampling, Sequence
from acereason.models.backbone import Backbone, load_config
from acereason.models.exports import export, stream_weights
from acereason.models.family import copy_of, head_size, model_class
from acereason.rollouts.hf import HFEngine
from tests.support.fakes import CONFIG, STOP_IDS, TOKENIZER, problem, tiny_qwen

QWEN3 = {"model_type": "qwen3", "head_dim": 32}
SHAPES = {
    "qwen2": {},
    "qwen3": QWEN3,
    "qwen3, untied, large heads": QWEN3 | {"head_dim": 48, "tie_word_embeddings": False},
    "qwen3, with biases": QWEN3 | {"attention_bias": True},
}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
TEXTS = [b"12+34=46", b"7*8=56, by heart", b"5=5"]


def scrambled(shape: dict):
    """A tiny policy whose norms and biases, which begin as ones and zeros, are random too."""
    model = tiny_qwen(**shape)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("norm.weight", "bias")):
                parameter.copy_(torch.rand(parameter.shape, generator=generator) + 0.5)
    return model


def theirs(model, ids: list[int]) -> torch.Tensor:
    """[len - 1, V] log-probs by transformers' own class with transformers' own attention."""
    config = copy_of(model.config)
    config._attn_implementation = "eager"
    plain = model_class(config)(config).eval()
    plain.load_state_dict(model.state_dict())
    with torch.no_grad():
        return torch.log_softmax(plain(input_ids=torch.tensor([ids])).logits[0, :-1], -1)


@shapes
def test_packed_documents_have_the_log_probs_that_each_has_alone_in_transformers(shape):
    model = scrambled(shape)
    sequences = [Sequence(list(text), 1, 1.0) for text in TEXTS]
    logprobs, _ = model.token_logprobs(collate(sequences), 1.0, 64)
    expected = [theirs(model, [*text]).gather(-1, torch.tensor([*text[1:]])[:, None])[:, 0] for text in TEXTS]
    torch.testing.assert_close(logprobs, torch.cat(expected), atol=1e-5, rtol=1e-5)


@shapes
def test_the_embedded_engine_has_the_models_log_probs(shape):
    model = scrambled(shape)
    engine = HFEngine()
    engine.start(model.config, TOKENIZER, STOP_IDS, torch.device("cpu"), longest=64)
    engine.update_weights(stream_weights(model), version=0)
    problems = [problem("1+1", name="a"), problem("123+456", name="b")]
    for group in engine.generate(problems, Sampling(max_response_length=8), 2, seed=1):
        for rollout in group.rollouts:
            prompt, tokens = group.problem.prompt_ids, rollout.response.token_ids
            expected = theirs(model, [*prompt, *tokens])[len(prompt) - 1 :].gather(-1, torch.tensor(tokens)[:, None])
            assert rollout.response.sampler_logprobs == pytest.approx(expected[:, 0].tolist(), abs=1e-5)


@shapes
def test_an_export_is_the_same_model_in_transformers(tmp_path, shape):
    model, ids = scrambled(shape), [*TEXTS[1]]
    export(model, TOKENIZER, tmp_path / "out", is_writer=True)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    found = torch.log_softmax(loaded(input_ids=torch.tensor([ids])).logits[0, :-1], -1)
    torch.testing.assert_close(found, theirs(model, ids), atol=1e-5, rtol=1e-5)
    written = json.loads((tmp_path / "out/config.json").read_text())
    assert written["architectures"] == [model_class(model.config).__name__]
    assert load_config(str(tmp_path / "out"), Backbone()).model_type == shape.get("model_type", "qwen2")


def test_qwen3_has_norms_of_queries_and_keys_and_no_biases():
    names = [name for name, _ in stream_weights(tiny_qwen(**QWEN3))]
    assert len(names) == 2 * 11 + 2
    assert "model.layers.1.self_attn.q_norm.weight" in names
    assert not [name for name in names if name.endswith("bias")]


def test_the_size_of_a_head():
    assert head_size(load_config(None, Backbone(config=CONFIG))) == 32
    assert head_size(load_config(None, Backbone(config=CONFIG | QWEN3 | {"head_dim": 48}))) == 48
    assert head_size(load_config(None, Backbone(config=CONFIG | {"model_type": "qwen3"}))) == 32


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "llama"}, "model.backbone.config.model_type: no 'llama'; there are qwen2, qwen3"),
        ({"use_sliding_window": True, "max_window_layers": 1}, "attends within a sliding window"),
        ({"hidden_act": "gelu"}, r"it has the activation gelu \(hidden_act\); silu is supported"),
    ],
)
def test_a_model_that_would_be_computed_otherwise_is_refused(values, message):
    with pytest.raises(UserError, match=message):
        load_config(None, Backbone(config=CONFIG | values))
