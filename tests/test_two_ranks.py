"""FSDP2 on two processes gives what one process gives."""

import json
from pathlib import Path

import pytest

from acereason.runs.curves import read_events
from tests.support.comparison import SGD, equal, fit, metrics, same_weights

pytestmark = pytest.mark.slow
VLLM = ["--model.engine=VLLMEngine", "--model.engine.cache_gib=0.25"]

FSDP = "--trainer.strategy=ModelParallelStrategy", "--trainer.strategy.tensor_parallel_size=1"
ONE = [*FSDP, "--trainer.devices=1", "--trainer.strategy.data_parallel_size=1"]
TWO = [*FSDP, "--trainer.devices=2", "--trainer.strategy.data_parallel_size=2"]


@pytest.mark.parametrize(
    "overrides",
    [
        # a micro batch or two a response: many, and not as many on both ranks
        pytest.param(["--model.micro_batch_tokens=20"], marks=pytest.mark.nightly),
        pytest.param(["--model.micro_batch_tokens=10000"], marks=pytest.mark.nightly),
        pytest.param(["--model.normalize=batch"], marks=pytest.mark.nightly),
        ["--data.stages.short.prompts_per_step=7"],  # four prompts on one rank, three on the other
        ["--model.engine.max_rows=8"],  # parts of two prompts, taken by whichever rank is free
        ["--model.backbone.config.model_type=qwen3", "--model.backbone.config.head_dim=48"],
    ],
    ids=["many micro batches", "one micro batch", "batch", "uneven ranks", "parts", "Qwen3"],
)
def test_two_ranks_equal_one(tmp_path, overrides):
    one, two = fit(tmp_path, "one", *SGD, *overrides), fit(tmp_path, "two", *SGD, *TWO, *overrides)
    equal(one, two)


def test_which_rank_generates_a_part_changes_nothing(tmp_path):
    """The rank that isn't slow takes over parts of the other; numbers are the same to the last bit."""
    runs, parts = [], []
    for slow in (0, 1):
        asked = tmp_path / f"asked-{slow}"
        engine = ["--model.engine=tests.support.slow_engine.SlowEngine", "--model.engine.max_rows=8"]
        engine += [f"--model.engine.slow={slow}", f"--model.engine.asked={asked}"]
        runs.append(fit(tmp_path, f"slow-{slow}", *SGD, *TWO, *engine))
        parts.append([Path(f"{asked}-{rank}").read_text().splitlines() for rank in (0, 1)])
    assert sorted(parts[0][0] + parts[0][1]) == sorted(parts[1][0] + parts[1][1])
    assert len(parts[0][0]) < len(parts[0][1])
    assert len(parts[1][0]) > len(parts[1][1])
    assert metrics(runs[0]) == metrics(runs[1])
    assert all(seconds > 0 for _, seconds in read_events(runs[0])["time/idle"])
    same_weights(runs[0] / "export", runs[1] / "export")


def test_masked_responses_on_one_rank_only(tmp_path):
    listed = [{"class_path": name} for name in ("Curriculum", "WeightSync", "EasyFilter", "Export")]
    listed += [{"class_path": name} for name in ("Overlong", "tests.support.masking.MaskAllButOne")]
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
