from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from acereason.processes.signals import Interrupted
from callbacks import Evaluation
from tests.support.fakes import FakeModule, fake_trainer


class Policy(FakeModule):
    def __init__(self, *ends: int, patience: int | None = None) -> None:
        """A policy in a stage that ends at these steps."""
        super().__init__()
        current = SimpleNamespace(patience=patience)
        self.curriculum = SimpleNamespace(ended=lambda step: step in ends, current=current)
        self.evaluated: list = []

    def evaluate(self, benchmarks) -> None:
        self.evaluated.append(benchmarks)


def steps(callback: Evaluation, *numbers: int, ends: tuple[int, ...] = ()) -> list[int]:
    """The steps, of these, at whose end it evaluates."""
    seen = []
    for step in numbers:
        policy = Policy(*ends)
        callback.on_train_batch_end(fake_trainer(global_step=step), policy, {}, None, 0)
        seen += [step] * len(policy.evaluated)
    return seen


def test_it_evaluates_every_n_steps_and_at_each_stages_end():
    assert steps(Evaluation(4), *range(1, 13), ends=(4, 7)) == [4, 7, 8, 12]


@pytest.mark.parametrize(("step", "times"), [(0, 1), (3, 0)])
def test_before_the_first_update_but_not_where_a_run_resumes(step, times):
    policy = Policy()
    Evaluation(4, ["aime24"]).on_train_start(fake_trainer(global_step=step), policy)
    assert policy.evaluated == [["aime24"]] * times


def test_one_that_a_signal_breaks_off_is_made_up_for_when_the_run_resumes():
    class Ended(Policy):
        def evaluate(self, benchmarks) -> None:
            raise Interrupted(15, agreed=True)

    broken_off, resumed, policy = Evaluation(4), Evaluation(4), Policy()
    broken_off.on_train_batch_end(fake_trainer(global_step=8), Ended(), {}, None, 0)
    resumed.load_state_dict(broken_off.state_dict())
    resumed.on_train_start(fake_trainer(global_step=8), policy)
    assert policy.evaluated == [None]
    resumed.on_train_start(fake_trainer(global_step=8), policy)  # once
    assert policy.evaluated == [None]
    with pytest.raises(Interrupted):  # no step has been taken yet that a checkpoint could keep
        Evaluation(4).on_train_start(fake_trainer(global_step=0), Ended())


@pytest.mark.parametrize(
    ("last", "patience", "ends", "unbroken"),
    [(True, 1, False, True), (False, 1, False, False), (True, None, False, False), (True, 1, True, False)],
)
def test_one_that_decides_on_the_stages_end_is_not_broken_off(last, patience, ends, unbroken):
    policy, entered = Policy(*[8] * ends, patience=patience), []
    policy.unbroken = lambda: entered.append(True) or nullcontext()
    trainer = fake_trainer(global_step=8, is_last_batch=last)
    Evaluation(4).on_train_batch_end(trainer, policy, {}, None, 0)
    assert policy.evaluated == [None]
    assert bool(entered) == unbroken


def test_two_of_different_benchmarks_keep_a_state_each():
    assert Evaluation(4, ["aime24"]).state_key != Evaluation(4, ["math500"]).state_key


def test_mistakes_name_the_field():
    with pytest.raises(ValueError, match="every_n_steps must be at least 1"):
        Evaluation(0)
