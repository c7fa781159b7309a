import pytest
import torch

from acereason.models.qwen import Backbone
from acereason.modules.evaluation import EvaluationModule
from acereason.rollouts.hf import HFEngine
from acereason.rollouts.vllm import VLLMEngine


@pytest.mark.parametrize(
    ("own", "compute", "expected"),
    [
        (None, "bfloat16", torch.bfloat16),
        (None, "float32", torch.float32),
        ("float32", "bfloat16", torch.float32),
        ("bfloat16", "float32", torch.bfloat16),
    ],
)
def test_an_engine_whose_dtype_is_left_open_has_the_trainers(own, compute, expected):
    engine = VLLMEngine(dtype=own)
    EvaluationModule(engine, backbone=Backbone(compute_dtype=compute))
    assert (engine.weights_dtype, engine.dtype) == (expected, str(expected).removeprefix("torch."))
    assert engine.identity()["dtype"] == engine.dtype


def test_the_embedded_engine_stays_float32():
    engine = HFEngine()
    EvaluationModule(engine, backbone=Backbone(compute_dtype="bfloat16"))
    assert engine.weights_dtype == torch.float32
