from types import SimpleNamespace

import pytest

from callbacks import WeightSync
from tests.support.fakes import FakeModule, fake_trainer


class Policy(FakeModule):
    pushed = 0
    probed: tuple[int, ...] = ()
    closed = False

    def push_weights(self) -> None:
        self.pushed += 1

    def probe(self, prompts: int) -> float:
        assert self.pushed > len(self.probed)  # after the push
        self.probed += (prompts,)
        return 0.25

    @property
    def engine(self):
        return SimpleNamespace(close=lambda: setattr(self, "closed", True))


def test_the_engine_gets_the_policy_before_anything_is_generated():
    policy = Policy()
    WeightSync().on_train_start(fake_trainer(), policy)
    assert policy.pushed == 1


def test_and_after_every_update_with_its_seconds():
    policy = Policy()
    WeightSync().on_train_batch_end(fake_trainer(global_step=1), policy, {}, None, 0)
    assert policy.pushed == 1
    assert 0 <= policy.logged["sync/seconds"] < 1
    assert (policy.probed, policy.logged["sync/probe_gap"]) == ((4,), 0.25)


def test_without_a_probe():
    policy = Policy()
    WeightSync(probe=0).on_train_batch_end(fake_trainer(global_step=1), policy, {}, None, 0)
    assert (policy.pushed, policy.probed, policy.logged.keys()) == (1, (), {"sync/seconds"})


def test_an_exception_closes_the_engine():
    policy = Policy()
    WeightSync().on_exception(fake_trainer(), policy, KeyboardInterrupt())
    assert policy.closed


def test_mistakes_name_the_field():
    with pytest.raises(ValueError, match="probe must be at least 0, not -1"):
        WeightSync(probe=-1)
