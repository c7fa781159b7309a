from types import SimpleNamespace

import pytest

from acereason.common.errors import UserError
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


@pytest.mark.parametrize("settings", [{"every_n_steps": 0}, {"probe": -1}])
def test_mistakes_name_the_field(settings):
    with pytest.raises(ValueError, match="every_n_steps must be at least 1 and probe 0"):
        WeightSync(**settings)


def test_a_stale_policy_is_refused_unless_it_is_allowed():
    with pytest.raises(UserError, match=r"WeightSync\.every_n_steps: must be 1 under model\.strict_on_policy: with 4"):
        WeightSync(4).setup(fake_trainer(), FakeModule(strict_on_policy=True), "fit")
    policy, sync = Policy(strict_on_policy=False), WeightSync(2)
    sync.setup(fake_trainer(), policy, "fit")
    for step in (1, 2, 3, 4):
        sync.on_train_batch_end(fake_trainer(global_step=step), policy, {}, None, 0)
    assert policy.pushed == 2
