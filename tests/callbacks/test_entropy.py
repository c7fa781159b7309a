import warnings

import pytest
from fakes import FakeModule, fake_trainer

from acereason.types import Sampling
from callbacks import EntropyMonitor


def steps(monitor: EntropyMonitor, *entropies: float) -> list[str]:
    module = FakeModule(sampling=Sampling(temperature=0.85))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for entropy in entropies:
            monitor.on_train_batch_end(fake_trainer(), module, {"policy/entropy": entropy}, None, 0)
    return [str(warning.message) for warning in caught]


def test_it_warns_after_the_patience_and_says_what_to_try():
    (message,) = steps(EntropyMonitor(patience=3), 0.05, 0.05, 0.05, 0.05)
    assert "below 0.3 -/+ 0.15 for 3 steps at temperature 0.85" in message
    assert "try a higher temperature" in message
    (message,) = steps(EntropyMonitor(patience=3), 0.7, 0.7, 0.7)
    assert "above" in message
    assert "try a lower temperature" in message


def test_a_step_inside_the_band_starts_over():
    assert steps(EntropyMonitor(patience=3), 0.05, 0.05, 0.3, 0.05, 0.05) == []


def test_the_count_survives_a_checkpoint():
    first, second = EntropyMonitor(patience=3), EntropyMonitor(patience=3)
    assert steps(first, 0.05, 0.05) == []
    second.load_state_dict(first.state_dict())
    assert len(steps(second, 0.05)) == 1


@pytest.mark.parametrize("entropy", [0.16, 0.3, 0.44])
def test_inside_the_band_it_is_quiet(entropy):
    assert steps(EntropyMonitor(patience=1), entropy) == []
