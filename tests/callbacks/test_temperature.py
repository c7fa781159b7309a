from dataclasses import replace
from math import exp

import pytest
import torch

from acereason.algorithm.objective import entropy_of
from acereason.common.types import Sampling
from acereason.data.stage import Stage
from callbacks import TemperatureController
from tests.support.fakes import FakeModule, curriculum, fake_trainer


class Policy(FakeModule):
    def set_temperature(self, temperature: float) -> None:
        self.sampling = replace(self.sampling, temperature=temperature)


def enter(controller, policy, stage: str, temperature: float | None) -> float:
    """Begin a stage, or resume in it, as Curriculum and then the controller do; the temperature in force."""
    policy.set_temperature(temperature or 1.0)
    policy.curriculum = curriculum(**{stage: Stage(["s"], 1, temperature=temperature)})
    controller.on_stage_start(fake_trainer(), policy, [])
    return policy.sampling.temperature


def step(controller, policy, entropy: float) -> float:
    controller.on_train_batch_end(fake_trainer(), policy, {"policy/entropy": entropy}, None, 0)
    return policy.sampling.temperature


def test_by_hand():
    controller = TemperatureController(target=0.3, gain=0.1, max_change=0.05, deadband=0.01, bounds=(0.6, 1.4))
    assert controller.next(1.0, 0.27) == pytest.approx(exp(0.01))  # 10 % too low: a tenth of the gain
    assert controller.next(1.0, 0.33) == pytest.approx(exp(-0.01))
    assert controller.next(1.0, 0.309) == 1.0  # inside the deadband
    assert controller.next(1.0, 0.0) == pytest.approx(exp(0.05))  # the rate limit
    assert controller.next(1.0, 5.0) == pytest.approx(exp(-0.05))
    assert controller.next(1.39, 0.0) == 1.4
    assert controller.next(0.61, 5.0) == 0.6


@pytest.mark.parametrize("start", [0.7, 1.3])
def test_it_brings_a_distribution_to_its_target_and_holds_it(start):
    """A fixed distribution whose entropy rises with T."""
    logits = torch.tensor([8.0, 5.0, 4.0, 3.0, 2.0])
    controller, policy = TemperatureController(target=0.3), Policy(sampling=Sampling())
    temperature = enter(controller, policy, "a", start)
    entropies = []
    for _ in range(60):
        entropies.append(entropy_of(logits, temperature).item())
        temperature = step(controller, policy, entropies[-1])
    assert abs(entropies[0] - 0.3) > 0.05
    assert all(abs(entropy - 0.3) <= 0.03 for entropy in entropies[30:])


def test_a_stage_starts_at_its_own_temperature_or_goes_on_with_the_last():
    controller, policy = TemperatureController(), Policy(sampling=Sampling())
    assert enter(controller, policy, "a", 0.85) == 0.85
    held = step(controller, policy, 0.1)
    assert held > 0.85
    assert enter(controller, policy, "a", 0.85) == held  # another epoch of the same stage
    assert enter(controller, policy, "b", None) == held
    assert enter(controller, policy, "c", 0.9) == 0.9


def test_an_epoch_begins_at_the_temperature_of_the_last_step():
    controller, policy = TemperatureController(), Policy(sampling=Sampling())
    enter(controller, policy, "a", 0.85)
    held = step(controller, policy, 0.1)
    policy.set_temperature(0.85)  # as Curriculum does where another setting changes
    controller.on_train_epoch_start(fake_trainer(), policy)
    assert policy.sampling.temperature == held


def test_its_state_survives_a_checkpoint():
    first, second = TemperatureController(), TemperatureController()
    policy = Policy(sampling=Sampling())
    enter(first, policy, "a", 0.85)
    held = step(first, policy, 0.1)
    second.load_state_dict(first.state_dict())
    assert enter(second, Policy(sampling=Sampling()), "a", 0.85) == held


@pytest.mark.parametrize("values", [{"bounds": (1.0, 0.5)}, {"target": 0.0}])
def test_mistakes_name_the_field(values):
    with pytest.raises(ValueError, match="must be"):
        TemperatureController(**values)


def test_a_resumed_run_keeps_to_the_bounds_of_now():
    first, policy = TemperatureController(), Policy(sampling=Sampling())
    enter(first, policy, "a", 1.3)
    second = TemperatureController(bounds=(0.6, 1.1))
    second.load_state_dict(first.state_dict())
    assert enter(second, policy, "a", 1.3) == 1.1
