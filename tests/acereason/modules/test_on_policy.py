import math

import pytest

from acereason.modules.on_policy import OnPolicy


def test_the_engine_holds_the_policy_of_the_step():
    checks = OnPolicy(0.1)
    checks.require_engine(4, 4)
    for version in (3, None):
        with pytest.raises(RuntimeError, match=f"the engine holds policy {version}, the trainer is at step 4"):
            checks.require_engine(version, 4)


def test_each_step_has_rollouts_of_its_own():
    checks = OnPolicy(0.1, rolled_out_at=4)
    checks.require_rollouts(4)
    with pytest.raises(RuntimeError, match="an update at step 5 on rollouts of step 4: each step has its own"):
        checks.require_rollouts(5)


@pytest.mark.parametrize("gap", [0.1001, math.nan, math.inf])
def test_a_gap_above_the_limit_raises(gap):
    checks = OnPolicy(0.1)
    checks.accept(0.1, step=7)
    with pytest.raises(RuntimeError, match="max_logprob_gap 0.1: it does not hold the policy of step 7"):
        checks.accept(gap, step=7)


def test_no_gap_can_be_allowed_that_is_not_above_0():
    with pytest.raises(ValueError, match="max_logprob_gap must be above 0, not 0"):
        OnPolicy(0.0)
