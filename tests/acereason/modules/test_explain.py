from acereason.data.curriculum import Stage
from acereason.modules.explain import arithmetic


def test_by_hand():
    stage = Stage(["math"], steps=1200, prompts_per_step=128)
    a = arithmetic(stage, 8, 8192, longest_prompt=1000, micro_batch_tokens=32768, ranks=8, problems=49_585)
    assert (a.prompts, a.rollouts, a.rollouts_per_rank, a.steps) == (128, 1024, 128, 1200)
    assert a.tokens == 1024 * 8192
    assert a.micro_batches == 43  # three responses of at most 9,192 tokens fit into 32,768


def test_epochs_as_steps_and_whichever_comes_first():
    stage = Stage(["math"], steps=50, epochs=3, prompts_per_step=8)
    assert arithmetic(stage, 4, 16, 4, 64, 1, problems=100).steps == 36  # 12 whole batches an epoch
    assert arithmetic(stage, 4, 16, 4, 64, 1, problems=1000).steps == 50
    assert arithmetic(Stage(["math"], epochs=2, prompts_per_step=8), 4, 16, 4, 64, 1, problems=5).steps == 2


def test_ranks_that_do_not_divide_the_prompts():
    a = arithmetic(Stage(["math"], steps=1, prompts_per_step=5), 4, 16, 4, 10_000, ranks=2, problems=100)
    assert (a.rollouts, a.rollouts_per_rank, a.micro_batches) == (20, 12, 1)
