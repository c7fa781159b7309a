import math

import pytest

from acereason.modules.on_policy import OnPolicy


def test_a_strict_engine_holds_the_policy_of_the_step():
    strict, loose = OnPolicy(True, 0.1), OnPolicy(False, 0.1)
    strict.require_engine(4, 4)
    loose.require_engine(3, 4)
    for checks, version in ((strict, 3), (strict, None), (loose, None)):
        with pytest.raises(RuntimeError, match=f"the engine holds policy {version}, the trainer is at step 4"):
            checks.require_engine(version, 4)


def test_each_update_has_rollouts_of_its_own():
    strict = OnPolicy(True, 0.1, rolled_out_at=4)
    strict.require_rollouts(4)
    OnPolicy(False, 0.1).require_rollouts(5)
    with pytest.raises(RuntimeError, match="an update at step 5 on rollouts of step 4: strictly on-policy"):
        strict.require_rollouts(5)


@pytest.mark.parametrize("gap", [0.1001, math.nan, math.inf])
def test_a_gap_above_the_limit_raises(gap):
    checks = OnPolicy(True, 0.1)
    checks.accept(0.1, step=7)
    with pytest.raises(RuntimeError, match="max_logprob_gap 0.1: it does not hold the policy of step 7"):
        checks.accept(gap, step=7)


def test_no_gap_can_be_allowed_that_is_not_above_0():
    with pytest.raises(ValueError, match="max_logprob_gap must be above 0, not 0"):
        OnPolicy(True, 0.0)
