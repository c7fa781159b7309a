from math import cos, pi

import pytest

from acereason.modules.base import Schedule


def test_constant():
    assert [Schedule().factor(step) for step in (0, 5, 1000)] == [1.0, 1.0, 1.0]


def test_warm_up_then_cosine():
    schedule = Schedule(warmup_steps=4, decay_steps=12, final=0.1)
    assert [schedule.factor(step) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    for step in (4, 6, 8, 12, 99):
        progress = min(1.0, (step - 4) / 8)
        assert schedule.factor(step) == pytest.approx(0.1 + 0.9 * (1 + cos(pi * progress)) / 2)
    assert schedule.factor(12) == pytest.approx(0.1)
