import pytest
from fakes import FakeModule, fake_trainer

from callbacks import WeightSync


class Policy(FakeModule):
    pushed = 0

    def push_weights(self) -> None:
        self.pushed += 1


@pytest.mark.parametrize("hook", ["on_train_start", "on_validation_start", "on_test_start"])
def test_the_engine_gets_the_policy_before_anything_is_generated(hook):
    policy = Policy()
    getattr(WeightSync(), hook)(fake_trainer(), policy)
    assert policy.pushed == 1


def test_and_after_every_update_with_its_seconds():
    policy = Policy()
    WeightSync().on_train_batch_end(fake_trainer(), policy, {}, None, 0)
    assert policy.pushed == 1
    assert 0 <= policy.logged["sync/seconds"] < 1
