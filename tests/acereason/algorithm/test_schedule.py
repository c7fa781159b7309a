import math
from math import cos, pi

import pytest

from acereason.algorithm.schedule import Schedule
from acereason.common.errors import UserError


def test_constant():
    assert [Schedule().factor(step) for step in (0, 5, 1000)] == [1.0, 1.0, 1.0]


def test_warm_up_then_cosine():
    schedule = Schedule(warmup_steps=4, decay_steps=12, final=0.1)
    assert [schedule.factor(step) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    for step in (4, 6, 8, 12, 99):
        progress = min(1.0, (step - 4) / 8)
        assert schedule.factor(step) == pytest.approx(0.1 + 0.9 * (1 + cos(pi * progress)) / 2)
    assert schedule.factor(12) == pytest.approx(0.1)


def test_a_decay_ends_with_the_run_where_no_other_end_is_given():
    schedule = Schedule(warmup_steps=2, final=0.1)
    assert schedule.over(10).factor(9) == pytest.approx(0.1)
    assert schedule.over(10).factor(8) > 0.13
    assert [schedule.over(10).factor(step) for step in (0, 1, 2)] == [0.5, 1.0, 1.0]
    given = Schedule(decay_steps=4)
    assert given.over(10) == given
    assert given.factor(4) == 0.0
    assert Schedule(warmup_steps=2).over(math.inf).factor(99) == 1.0
    with pytest.raises(UserError, match=r"model\.schedule\.decay_steps: give it, or trainer\.max_epochs"):
        schedule.over(math.inf)
