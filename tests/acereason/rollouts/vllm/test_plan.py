"""The way of weights without vLLM's reload, beside that by vLLM's own loaders, which the first update takes."""

import pytest
import torch

from acereason.common.types import Sampling
from acereason.models.exports import stream_weights
from acereason.rollouts.vllm import VLLMEngine
from tests.support.fakes import STOP_IDS, TOKENIZER, problem, tiny_qwen

pytestmark = pytest.mark.vllm

PROBLEMS = [problem("1+1", name="a"), problem("123456+1", name="b")]


def policy(seed: int, tied: bool):
    """All parameters random: those of a new model have biases of 0 and norms of 1."""
    model, generator = tiny_qwen(tie_word_embeddings=tied), torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.2
    return model


def responses(engine: VLLMEngine, model, version: int) -> list:
    engine.update_weights(stream_weights(model, engine.weights_dtype, copies=False), version)
    return drawn(engine)


def drawn(engine: VLLMEngine) -> list:
    groups = engine.generate(PROBLEMS, Sampling(0.9, 12), 2, seed=0)
    return [(r.response.token_ids, r.response.sampler_logprobs) for group in groups for r in group.rollouts]


def started(model, dtype: str = "float32") -> VLLMEngine:
    engine = VLLMEngine(cache_gib=0.25, dtype=dtype)
    engine.start(model.config, TOKENIZER, STOP_IDS, torch.device("cpu"), 96)
    return engine


@pytest.mark.parametrize(("dtype", "tied"), [("float32", True), ("bfloat16", False)])
def test_the_engine_computes_as_after_vllms_own_way(dtype, tied):
    policies = [policy(seed, tied) for seed in (1, 2)]
    engine = started(policies[0], dtype)
    assert engine.core.homes() is None
    own = responses(engine, policies[0], 0)
    homes = engine.core.homes()
    assert ("lm_head.weight" in homes) is not tied
    assert responses(engine, policies[1], 1) != own
    embedding = policies[1].model.embed_tokens.weight.to(engine.weights_dtype)
    assert torch.equal(homes["model.embed_tokens.weight"], embedding)
    assert responses(engine, policies[0], 2) == own
    # in an order in which several layers are incomplete at a time
    named = sorted(stream_weights(policies[0]), key=lambda pair: pair[0].rpartition("layers.")[2][1:])
    engine.update_weights(iter(named), 3)
    assert drawn(engine) == own
    engine.close()


@pytest.mark.parametrize("name", ["layers.1.mlp.up_proj.weight", "layers.0.self_attn.k_proj.bias", "norm.weight"])
def test_what_is_not_finite_is_named(name):
    model = policy(1, tied=True)
    engine = started(model, "bfloat16")
    before = responses(engine, model, 0)
    bad = policy(1, tied=True)
    bad.model.get_parameter(name).data.view(-1)[-1] = 3.4e38  # finite in float32 alone
    with pytest.raises(RuntimeError, match=rf"weight sync: model\.{name} has 1 of [0-9,]+ values that are not finite"):
        engine.update_weights(stream_weights(bad, engine.weights_dtype, copies=False), 1)
    assert engine.policy_version is None
    assert responses(engine, model, 2) == before
    engine.close()


def test_where_vllm_can_not_be_followed_its_own_way_goes_on(monkeypatch):
    from acereason.rollouts.vllm import plan  # here: it imports vLLM

    monkeypatch.setattr(plan._Trace, "__torch_dispatch__", lambda self, func, types, args=(), kwargs=None: args[0])
    policies = [policy(seed, tied=True) for seed in (1, 2)]
    engine = started(policies[0])
    with pytest.warns(UserWarning, match="each weight sync takes vLLM's own way, which is slower"):
        own = responses(engine, policies[0], 0)
    assert engine.core.homes() is None
    assert responses(engine, policies[1], 1) != own
    assert responses(engine, policies[0], 2) == own
    engine.close()
