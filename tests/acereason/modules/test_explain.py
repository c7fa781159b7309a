from types import SimpleNamespace

from acereason.algorithm.clipping import OffPolicy
from acereason.common.types import Sampling
from acereason.data.stage import Stage
from acereason.modules.explain import arithmetic, explain


def of(
    stage: Stage,
    problems: int,
    prompt: int = 4,
    micro_batch_tokens: int = 64,
    ranks: int = 1,
    off_policy: OffPolicy | None = None,
):
    module = SimpleNamespace(
        group_size=8,
        sampling=Sampling(max_response_length=16),
        micro_batch_tokens=micro_batch_tokens,
        off_policy=off_policy,
    )
    data = SimpleNamespace(
        stages={"a": stage},
        count_problems=lambda name: problems,
        problems_of=lambda name: [SimpleNamespace(prompt_ids=[0] * prompt)],
    )
    return arithmetic(module, data, "a", ranks), explain(module, data, ranks)


def test_by_hand():
    stage = Stage(["math"], steps=1200, prompts_per_step=128, max_response_length=8192)
    a, text = of(stage, 49_585, prompt=1000, micro_batch_tokens=32768, ranks=8)
    assert (a.prompts, a.rollouts, a.rollouts_per_rank, a.steps) == (128, 1024, 128, 1200)
    assert a.tokens == 1024 * 8192
    assert a.micro_batches == 43  # three responses of at most 9,192 tokens fit into 32,768
    assert "128 of 49,585 prompts x 8 = 1,024 responses (128 a rank), up to 8,388,608 tokens in up to 43" in text


def test_a_step_that_may_be_refilled():
    stage = Stage(["math"], steps=10, prompts_per_step=4, refill=3)
    a, text = of(stage, problems=100)
    assert (a.rollouts, a.tokens, a.further, a.most_tokens) == (32, 32 * 16, 96, (32 + 96) * 16)
    assert "one update; by refill up to 96 more responses; 10 steps" in text


def test_several_updates_of_a_step():
    a, text = of(Stage(["math"], steps=10, prompts_per_step=8), problems=100, off_policy=OffPolicy(4))
    assert (a.steps, a.updates) == (10, 4)
    assert "micro batches a rank, 4 updates; 10 steps" in text


def test_epochs_as_steps_and_whichever_comes_first():
    stage = Stage(["math"], steps=50, epochs=3, prompts_per_step=8)
    assert of(stage, problems=100)[0].steps == 36  # 12 whole batches an epoch
    assert of(stage, problems=1000)[0].steps == 50
    assert of(Stage(["math"], epochs=2, prompts_per_step=8), problems=5)[0].steps == 2


def test_ranks_that_do_not_divide_the_prompts():
    stage = Stage(["math"], steps=1, prompts_per_step=5, group_size=4)
    a, _ = of(stage, problems=100, micro_batch_tokens=10_000, ranks=2)
    assert (a.rollouts, a.rollouts_per_rank, a.micro_batches) == (20, 12, 1)
