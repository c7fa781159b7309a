from types import SimpleNamespace

import pytest
from fakes import TOKENIZER

from acereason.data.arithmetic import Arithmetic
from acereason.data.curriculum import Stage
from acereason.data.problems import Source
from acereason.data.prompts import Template
from acereason.data.rl import Benchmark, RLData
from acereason.errors import UserError
from acereason.rewards.pool import RewardPool, RewardSettings
from acereason.types import Sampling

TEMPLATE = Template(math="{statement}=", layout="{user}\n")


def data(stages: dict[str, Stage], problems: int = 20, **settings) -> RLData:
    """An RLData set up under a stand-in for the trainer, which `goto` moves."""
    source = Source(arithmetic=Arithmetic([1], problems))
    made = RLData({"sums": source}, stages, template=TEMPLATE, **settings)
    rewards = RewardPool(RewardSettings(workers=1))
    config = SimpleNamespace(max_position_embeddings=64)
    module = SimpleNamespace(tokenizer=TOKENIZER, rewards=rewards, config=config, sampling=Sampling(1.0, 16))
    callbacks = [type(name, (), {})() for name in ("Curriculum", "Overlong", "EasyFilter")]
    made.trainer = SimpleNamespace(
        lightning_module=module,
        callbacks=callbacks,
        reload_dataloaders_every_n_epochs=1,
        current_epoch=0,
        global_step=0,
    )
    made.setup("fit")
    rewards.close()
    return made


def goto(made: RLData, epoch: int, step: int):
    made.trainer.current_epoch, made.trainer.global_step = epoch, step
    return list(made.train_dataloader())


def ids(batches) -> list[str]:
    return [problem.id for batch in batches for problem in batch]


def test_an_epoch_is_a_pass_in_whole_batches():
    made = data({"a": Stage(["sums"], steps=100, prompts_per_step=8)})
    first, second = goto(made, 0, 0), goto(made, 1, 2)
    assert [len(batch) for batch in first] == [8, 8]  # four of twenty wait for another epoch's order
    assert len(set(ids(first))) == 16
    assert ids(first) != ids(second)


def test_fewer_problems_than_a_step_asks_for_are_one_batch():
    made = data({"a": Stage(["sums"], steps=100, prompts_per_step=64)})
    assert [len(batch) for batch in goto(made, 0, 0)] == [20]


def test_a_stage_ends_inside_an_epoch_and_the_next_begins():
    made = data({"a": Stage(["sums"], steps=3, prompts_per_step=8), "b": Stage(["sums"], steps=1, prompts_per_step=4)})
    assert [len(goto(made, 0, 0)), made.plan.stage] == [2, "a"]
    assert [len(goto(made, 1, 2)), made.plan.stage] == [1, "a"]
    assert not made.finished
    assert [len(goto(made, 2, 3)), made.plan.stage] == [1, "b"]
    made.trainer.global_step = 4
    assert made.finished


def test_prompts_are_templated_and_tokenized():
    (problem, *_) = goto(data({"a": Stage(["sums"], steps=1)}), 0, 0)[0]
    assert TOKENIZER.decode(problem.prompt_ids) == f"{problem.statement}=\n"


class TestEasyFilter:
    STAGES = {
        "a": Stage(["sums"], steps=4, prompts_per_step=8, easy_filter=True),
        "b": Stage(["sums"], steps=9, prompts_per_step=8),
    }

    def test_solved_problems_leave_from_the_next_epoch_on(self):
        made = data(self.STAGES)
        solved = ids(goto(made, 0, 0))[:3]
        made.solved = dict.fromkeys(solved, 0)
        assert len(made.remaining()) == 20  # this epoch goes on with them
        assert not set(ids(goto(made, 1, 2))) & set(solved)
        assert len(made.remaining()) == 17

    def test_a_stage_that_does_not_filter_sees_them_again(self):
        made = data(self.STAGES)
        goto(made, 0, 0)
        made.solved = dict.fromkeys(ids(goto(made, 1, 2)), 1)
        goto(made, 2, 4)
        assert (made.plan.stage, len(made.remaining())) == ("b", 20)

    def test_nothing_left_is_an_error(self):
        made = data(self.STAGES)
        goto(made, 0, 0)
        made.solved = {problem.id: 0 for problem in made.stage_problems()}
        with pytest.raises(UserError, match=r"data\.stages\.a: every problem is solved"):
            goto(made, 1, 2)


def test_state_gives_the_same_epochs():
    stages = {"a": Stage(["sums"], steps=5, prompts_per_step=8, easy_filter=True)}
    made, resumed = data(stages), data(stages)
    goto(made, 0, 0)
    made.solved = dict.fromkeys(ids(goto(made, 0, 0))[:5], 0)
    resumed.load_state_dict(made.state_dict())
    assert ids(goto(resumed, 0, 0)) == ids(goto(made, 0, 0))
    assert ids(goto(resumed, 1, 2)) == ids(goto(made, 1, 2))
    assert resumed.state_dict() == made.state_dict()


def test_the_order_depends_on_the_seed():
    stages = {"a": Stage(["sums"], steps=1, prompts_per_step=20)}
    assert ids(goto(data(stages), 0, 0)) == ids(goto(data(stages), 0, 0))
    assert ids(goto(data(stages), 0, 0)) != ids(goto(data(stages, seed=1), 0, 0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stages": {"a": Stage(["x"], 1)}}, r"data\.stages\.a\.sources: no source 'x'"),
        ({"benchmarks": {"b": Benchmark("x")}}, r"data\.benchmarks\.b\.source: no source 'x'"),
        ({"stages": {"a": Stage(["sums"], 0)}}, r"data\.stages\.a\.steps: must be at least 1"),
    ],
)
def test_mistakes_name_the_key(settings, message):
    with pytest.raises(UserError, match=message):
        RLData({"sums": Source(arithmetic=Arithmetic())}, **settings)


def test_a_budget_that_fills_the_context_is_refused():
    with pytest.raises(UserError, match=r"data\.stages\.a\.max_response_length: the model's context of 64 tokens"):
        data({"a": Stage(["sums"], 1, max_response_length=64)})
