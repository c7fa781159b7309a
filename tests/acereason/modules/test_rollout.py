from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from acereason.models.backbone import Backbone
from acereason.modules.evaluation import EvaluationModule
from acereason.rewards.pool import RewardPool, RewardSettings
from acereason.rollouts.hf import HFEngine
from acereason.rollouts.vllm import VLLMEngine
from tests.support.fakes import BACKBONE, tiny_qwen


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


def module(fn: str = "fit", in_lockstep: bool = False) -> EvaluationModule:
    made = EvaluationModule(HFEngine(), backbone=BACKBONE)
    made.engine.in_lockstep = in_lockstep
    profiler = SimpleNamespace(profile=lambda name: nullcontext())
    made.trainer = SimpleNamespace(global_step=3, state=SimpleNamespace(fn=fn), profiler=profiler)
    return made


@pytest.mark.parametrize(("fn", "whole", "ended"), [("fit", False, 1), ("fit", True, 0), ("test", False, 0)])
def test_rollouts_end_by_a_signal_while_training_unless_they_must_be_finished(fn, whole, ended):
    made, seen = module(fn, in_lockstep=True), []
    made.end_if_interrupted = lambda: seen.append(True)
    with made.unbroken() if whole else nullcontext(), made.breaking_off():
        pass
    assert len(seen) == ended
    made.trainer.state.fn = "fit"
    with made.breaking_off():
        pass
    assert len(seen) == ended + 1


def test_weights_are_pushed_once_a_step():
    made, pushed = module(), []
    made.model = tiny_qwen()

    def update_weights(weights, version):
        pushed.append((sorted(name for name, _ in weights)[0], version))
        made.engine.policy_version = version

    made.engine.update_weights = update_weights
    made.push_weights()
    made.push_weights()
    made.trainer.global_step = 4
    made.push_weights()
    assert [version for _, version in pushed] == [3, 4]
    made.require_current_engine()
    made.trainer.global_step = 5
    with pytest.raises(RuntimeError, match="the engine holds policy 4, the trainer is at step 5"):
        made.require_current_engine()


def test_a_subclass_may_judge_by_other_verifiers():
    made, other = module(), RewardPool(RewardSettings())
    made.rewards = other
    assert made.rollouts.rewards is made.rewards is other
    made.teardown("fit")
