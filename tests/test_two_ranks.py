"""FSDP2 on two processes gives what one process gives."""

import json

import pytest

from tests.support.comparison import SGD, equal, fit

pytestmark = pytest.mark.slow
VLLM = ["--model.engine=VLLMEngine", "--model.engine.cache_gib=0.25"]

FSDP = "--trainer.strategy=ModelParallelStrategy", "--trainer.strategy.tensor_parallel_size=1"
ONE = [*FSDP, "--trainer.devices=1", "--trainer.strategy.data_parallel_size=1"]
TWO = [*FSDP, "--trainer.devices=2", "--trainer.strategy.data_parallel_size=2"]


@pytest.mark.parametrize(
    "overrides",
    [
        ["--model.micro_batch_tokens=20"],  # a micro batch or two a response: many, and not as many on both ranks
        pytest.param(["--model.micro_batch_tokens=10000"], marks=pytest.mark.nightly),
        pytest.param(["--model.normalize=batch"], marks=pytest.mark.nightly),
        ["--data.stages.short.prompts_per_step=7"],  # four prompts on one rank, three on the other
        ["--model.backbone.config.model_type=qwen3", "--model.backbone.config.head_dim=48"],
    ],
    ids=["many micro batches", "one micro batch", "batch", "uneven ranks", "Qwen3"],
)
def test_two_ranks_equal_one(tmp_path, overrides):
    one, two = fit(tmp_path, "one", *SGD, *overrides), fit(tmp_path, "two", *SGD, *TWO, *overrides)
    equal(one, two)


def test_masked_responses_on_one_rank_only(tmp_path):
    listed = [{"class_path": name} for name in ("Curriculum", "WeightSync", "EasyFilter", "Export")]
    listed += [{"class_path": name} for name in ("Overlong", "tests.support.masking.MaskEverySecond")]
    listed += [{"class_path": "Evaluation", "init_args": {"every_n_steps": 2}}, {"class_path": "Plateau"}]
    masked = [*SGD, f"--trainer.callbacks={json.dumps(listed)}", "--data.stages.rest.start_from=last"]
    one, two = fit(tmp_path, "one", *masked), fit(tmp_path, "two", *masked, *TWO)
    equal(one, two)


def test_resume_on_as_many_ranks_and_on_others(tmp_path):
    one, two = fit(tmp_path, "one", *SGD), fit(tmp_path, "two", *SGD, *TWO)
    for name, source, ranks in [("2-2", two, TWO), ("2-1", two, ONE), ("1-2", one, TWO)]:
        for step in ("step-000003.ckpt", "step-000008-end-of-long.ckpt"):
            resumed = fit(tmp_path, f"{name}-{step}", *SGD, *ranks, f"--ckpt_path={source}/checkpoints/{step}")
            equal(one, resumed, since=int(step[5:11]))


@pytest.mark.vllm
@pytest.mark.parametrize(
    "engine",
    [
        [],
        pytest.param(["--model.engine.placement=separate"], marks=pytest.mark.nightly),
        ["--model.engine.tensor_parallel_size=2"],
    ],
    ids=["an engine each", "an engine each in its own process", "an engine between them"],
)
def test_two_ranks_on_vllm_equal_one(tmp_path, engine):
    """In float32 on a CPU the same responses, so the same rewards, losses and weights."""
    one, two = fit(tmp_path, "one", *SGD, *VLLM), fit(tmp_path, "two", *SGD, *TWO, *VLLM, *engine)
    equal(one, two)
