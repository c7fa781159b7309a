from types import SimpleNamespace

import pytest
from fakes import FakeModule, fake_trainer

from callbacks import Evaluation


class Policy(FakeModule):
    def __init__(self) -> None:
        super().__init__()
        self.evaluated: list = []

    def evaluate(self, benchmarks) -> None:
        self.evaluated.append(benchmarks)


def steps(callback: Evaluation, *numbers: int, ends: tuple[int, ...] = ()) -> list[int]:
    """The steps, of these, at whose end it evaluates."""
    seen = []
    for step in numbers:
        policy = Policy()
        trainer = fake_trainer(global_step=step, datamodule=SimpleNamespace(stage_ended=step in ends))
        callback.on_train_batch_end(trainer, policy, {}, None, 0)
        seen += [step] * len(policy.evaluated)
    return seen


def test_it_evaluates_every_n_steps_and_at_each_stages_end():
    assert steps(Evaluation(4), *range(1, 13), ends=(4, 7)) == [4, 7, 8, 12]


@pytest.mark.parametrize(("step", "times"), [(0, 1), (3, 0)])
def test_before_the_first_update_but_not_where_a_run_resumes(step, times):
    policy = Policy()
    Evaluation(4, ["aime24"]).on_train_start(fake_trainer(global_step=step), policy)
    assert policy.evaluated == [["aime24"]] * times


def test_mistakes_name_the_field():
    with pytest.raises(ValueError, match="every_n_steps must be at least 1"):
        Evaluation(0)
