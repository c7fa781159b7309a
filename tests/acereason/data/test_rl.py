from types import SimpleNamespace

import pytest

from acereason.algorithm.clipping import OffPolicy
from acereason.common.errors import UserError
from acereason.common.types import Sampling
from acereason.data.arithmetic import Arithmetic
from acereason.data.fields import Fields
from acereason.data.problems import Source
from acereason.data.prompts import Template
from acereason.data.rl import Benchmark, RLData
from acereason.data.stage import Stage
from acereason.rewards.pool import RewardPool, RewardSettings
from tests.support.fakes import TOKENIZER

TEMPLATE = Template(math="{statement}=", layout="{user}\n")


def data(stages: dict[str, Stage], problems: int = 20, source: Source | None = None, **settings) -> RLData:
    """An RLData set up under a stand-in for the trainer, which `goto` moves."""
    source = source or Source(arithmetic=Arithmetic([1], problems))
    made = RLData({"sums": source}, stages, template=TEMPLATE, **settings)
    rewards = RewardPool(RewardSettings(workers=1))
    config = SimpleNamespace(max_position_embeddings=64)
    module = SimpleNamespace(tokenizer=TOKENIZER, rewards=rewards, config=config, sampling=Sampling(1.0, 16))
    module.num_waves, module.off_policy = 1, None
    module.left_out = set()
    module.begun = []
    module.callback_names = lambda: {"Curriculum", "Overlong", "EasyFilter"}

    def select_problems(problems, begins):
        module.begun += [made.plan.stage] if begins else []
        return [problem for problem in problems if problem.id not in module.left_out]

    module.select_problems, made.policy = select_problems, module
    made.trainer = SimpleNamespace(reload_dataloaders_every_n_epochs=1, current_epoch=0, global_step=0)
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
    assert not made.curriculum.finished(made.trainer.global_step)
    assert [len(goto(made, 2, 3)), made.plan.stage] == [1, "b"]
    assert made.curriculum.finished(4)
    assert made.policy.begun == ["a", "b"]


def test_prompts_are_templated_and_tokenized():
    (problem, *_) = goto(data({"a": Stage(["sums"], steps=1)}), 0, 0)[0]
    assert TOKENIZER.decode(problem.prompt_ids) == f"{problem.statement}=\n"


def test_an_epoch_draws_from_what_callbacks_leave():
    made = data({"a": Stage(["sums"], steps=100, prompts_per_step=8)})
    left_out = set(ids(goto(made, 0, 0))[:10])
    made.policy.left_out = left_out
    assert len(ids(goto(made, 1, 2))) == 8
    assert len(made.problems) == 10
    assert not set(ids(goto(made, 1, 2))) & left_out


def test_nothing_left_is_an_error():
    made = data({"a": Stage(["sums"], steps=4)})
    made.policy.left_out = {problem.id for problem in made.problems_of("a")}
    with pytest.raises(UserError, match=r"data\.stages\.a: every problem is solved"):
        goto(made, 0, 0)


def test_a_share_of_a_source_is_drawn_anew_each_epoch():
    made = data({"a": Stage({"sums": 0.25}, steps=100, prompts_per_step=5)})
    assert made.count_problems("a") == 5
    epochs = [frozenset(ids(goto(made, epoch, epoch))) for epoch in range(4)]
    assert [len(epoch) for epoch in epochs] == [5] * 4
    assert len(set(epochs)) == 4


def test_a_range_of_difficulty():
    source = Source(arithmetic=Arithmetic([1, 2, 3], 30))
    made = data({"a": Stage(["sums"], steps=1, difficulty=(2, 3)), "b": Stage(["sums"], steps=1)}, source=source)
    assert {problem.difficulty for problem in made.problems_of("a")} == {2.0, 3.0}
    assert made.count_problems("b") == 30
    assert made.count_problems("a") == sum(problem.difficulty >= 2 for problem in made.problems_of("b"))
    made.problems_of("b")[0].difficulty = None
    with pytest.raises(UserError, match=r"data\.stages\.a\.difficulty: 1 problems have none, first sums/"):
        made.problems_of("a")


def test_a_stage_by_epochs_ends_with_its_last_batch():
    made = data({"a": Stage(["sums"], epochs=1, prompts_per_step=8)})
    goto(made, 0, 0)
    ended = []
    for step in (0, 1, 2):
        made.trainer.global_step = step
        ended.append(made.stage_ended)
    assert ended == [False, False, True]
    assert made.curriculum.finished(2)


def test_state_gives_the_same_epochs():
    stages = {"a": Stage(["sums"], steps=5, prompts_per_step=8)}
    made, resumed = data(stages), data(stages)
    goto(made, 0, 0)
    resumed.load_state_dict(made.state_dict())
    assert ids(goto(resumed, 0, 0)) == ids(goto(made, 0, 0))
    assert ids(goto(resumed, 1, 2)) == ids(goto(made, 1, 2))
    assert resumed.state_dict() == made.state_dict()
    assert resumed.policy.begun == ["a"]


def test_further_prompts_are_the_epochs_others_in_an_order_of_the_step():
    made = data({"a": Stage(["sums"], steps=9, prompts_per_step=8)})
    made.policy.left_out = {each.id for each in made.problems_of("a")[:2]}
    batches = goto(made, 0, 0)
    epoch, taken = {each.id for each in made.problems}, set(ids(batches[:1]))
    first = ids([made.further(taken)])
    assert set(first) == epoch - taken
    assert len(first) == 18 - 8
    assert first == ids([made.further(taken)])
    made.trainer.global_step = 1
    assert ids([made.further(taken)]) != first
    resumed = data({"a": Stage(["sums"], steps=9, prompts_per_step=8)})
    resumed.policy.left_out = made.policy.left_out
    resumed.load_state_dict(made.state_dict())
    goto(resumed, 0, 1)
    assert ids([resumed.further(taken)]) == ids([made.further(taken)])


def test_further_prompts_are_of_the_share_that_the_epoch_draws():
    made = data({"a": Stage({"sums": 0.5}, steps=9, prompts_per_step=4)})
    batches = goto(made, 0, 0)
    assert set(ids([made.further(set())])) > set(ids(batches))
    assert len(made.further(set())) == 10


def test_waves_and_refill_exclude_each_other():
    made = data({"a": Stage(["sums"], steps=1, refill=1)})
    made.policy.num_waves = 2
    with pytest.raises(UserError, match=r"data\.stages\.a\.refill: set it to 0, or model\.num_waves to 1"):
        made.check_trainer()


def test_each_of_several_updates_has_a_prompt():
    made = data({"a": Stage(["sums"], steps=1, prompts_per_step=3)})
    made.policy.off_policy = OffPolicy(3)
    made.check_trainer()
    made.policy.off_policy = OffPolicy(4)
    with pytest.raises(UserError, match=r"data\.stages\.a\.prompts_per_step: 3 prompts can't be cut into"):
        made.check_trainer()


def test_the_order_depends_on_the_seed():
    stages = {"a": Stage(["sums"], steps=1, prompts_per_step=20)}
    assert ids(goto(data(stages), 0, 0)) == ids(goto(data(stages), 0, 0))
    assert ids(goto(data(stages), 0, 0)) != ids(goto(data(stages, seed=1), 0, 0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stages": {"a": Stage(["x"], 1)}}, r"data\.stages\.a\.sources: no 'x' under data\.sources"),
        ({"benchmarks": {"b": Benchmark("x")}}, r"data\.benchmarks\.b\.source: no 'x' under data\.sources"),
        (
            {"stages": {"a": Stage(["sums"], 1, monitor="x")}},
            r"data\.stages\.a\.monitor: no 'x' under data\.benchmarks",
        ),
        (
            {"stages": {"a": Stage(["sums"], 1), "b": Stage(["sums"], 1, start_from="best")}},
            r"data\.stages\.b\.start_from: best needs a monitor in the stage before it",
        ),
        ({"stages": {"a": Stage(["sums"], 0)}}, r"data\.stages\.a\.steps: must be at least 1"),
    ],
)
def test_mistakes_name_the_key(settings, message):
    with pytest.raises(UserError, match=message):
        RLData({"sums": Source(arithmetic=Arithmetic())}, **settings)


def test_a_budget_that_fills_the_context_is_refused():
    with pytest.raises(UserError, match=r"data\.stages\.a\.max_response_length: the model's context of 64 tokens"):
        data({"a": Stage(["sums"], 1, max_response_length=64)})


def test_two_problems_of_one_id_are_refused(tmp_path):
    rows = '{"problem": "p", "answer": "1", "id": 1}\n{"problem": "q", "answer": "2", "id": "1"}'
    (tmp_path / "f.jsonl").write_text(rows)
    source = Source(str(tmp_path / "f.jsonl"), Fields(id="id"))
    with pytest.raises(UserError, match=r"data\.sources\.sums: two rows with the id sums/1; name another column"):
        data({"a": Stage(["sums"], steps=1)}, source=source)
