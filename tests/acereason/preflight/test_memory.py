from types import SimpleNamespace

import pytest
from fakes import CONFIG, tiny_qwen
from transformers import Qwen2Config

from acereason.models.qwen import Backbone
from acereason.preflight.memory import checkpoint_bytes, count_parameters, estimate, human
from acereason.rollouts.hf import HFEngine

SEVEN_B = Qwen2Config(
    vocab_size=152064,
    hidden_size=3584,
    intermediate_size=18944,
    num_hidden_layers=28,
    num_attention_heads=28,
    num_key_value_heads=4,
    tie_word_embeddings=False,
)


def test_parameters_are_counted_without_weights():
    assert count_parameters(SEVEN_B) == 7_615_616_512  # as Qwen2.5-7B publishes
    assert count_parameters(Qwen2Config(**CONFIG)) == sum(p.numel() for p in tiny_qwen().parameters())


def test_an_estimate_by_hand():
    module = SimpleNamespace(
        config=SEVEN_B,
        backbone=Backbone(gradient_checkpointing=True, compute_dtype="bfloat16"),
        engine=HFEngine(max_rows=1),
        micro_batch_tokens=1000,
        logprob_chunk=512,
    )
    parts = estimate(module, parameters=7_000_000_000, ranks=8, longest_prompt=100, budget=400, group_size=2)
    assert parts["parameters, gradients and optimizer"] == 14e9
    assert parts["logits"] == 3 * 4 * 512 * 152064
    assert parts["activations"] == 1000 * 2 * (28 * 3584 + 10 * 3584 + 3 * 18944)
    assert parts["engine's weights"] == 28e9
    assert parts["engine's cache of 2 rows"] == 2 * 500 * 2 * 4 * 28 * 4 * 128  # a whole group at once


def test_disk():
    assert checkpoint_bytes(10, keep=2, stages=6) == 12 * 10 * 8 + 4 * 10 * 6


@pytest.mark.parametrize(("size", "text"), [(12, "12 bytes"), (1536, "1.5 KiB"), (3 * 2**30, "3.0 GiB")])
def test_human(size, text):
    assert human(size) == text
