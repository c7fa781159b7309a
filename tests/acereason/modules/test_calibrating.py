import json
from types import SimpleNamespace

import torch

from acereason.algorithm.calibration import Trial
from acereason.common.types import Group, Sampling
from acereason.data.stage import Stage
from acereason.modules.calibrating import Calibration, Sweep
from acereason.rewards.pool import RewardSettings
from tests.support.fakes import problem, rollout


class Policy:
    """Its first response to a problem is correct, the second one is cut; entropy is 0.1 for each sequence measured."""

    seed = 0
    sampling = Sampling(max_response_length=64)

    def __init__(self) -> None:
        self.model = SimpleNamespace(state_dict=lambda: {"w": torch.ones(1)})
        engine, rewards = SimpleNamespace(identity=dict), SimpleNamespace(settings=RewardSettings())
        self.rollouts = SimpleNamespace(engine=engine, rewards=rewards)
        self.asked: list[tuple[Sampling, int, int]] = []

    def rollout(self, problems, sampling, num_rollouts, seed):
        self.asked.append((sampling, num_rollouts, seed))
        cut = {each.id: each.id.endswith("#1") for each in problems}
        return [
            Group(each, [rollout("wrong" if cut[each.id] else "correct", 9 if cut[each.id] else 3, cut[each.id])])
            for each in problems
        ]

    def measure(self, sequences, temperature):
        return {"policy/entropy": 0.1 * len(sequences)}


def calibration(folder, masks: bool = False, budget: int | None = 16) -> Calibration:
    stages = {"a": Stage(["s"], steps=1, max_response_length=budget)}
    data = SimpleNamespace(stages=stages, seed=0, problems_of=lambda name: [problem(name=name) for name in "pqrs"])
    return Calibration(Sweep([0.6, 1.0], "a", 2, 2, masks, folder), Policy(), data)


def test_a_trial_by_hand(tmp_path):
    """Two problems of two responses, one of each pair cut: means of 1 and 0, and of three and nine tokens."""
    made = calibration(tmp_path / "out")
    trial = made.trial(0.6)
    assert trial == Trial(0.6, 0.4, 0.4, reward=0.5, truncated=0.5, length=6.0)
    ((sampling, num_rollouts, _),) = made.module.asked
    assert (sampling, num_rollouts) == (Sampling(0.6, 16), 1)


def test_masked_responses_leave_the_entropy_of_the_loss_alone(tmp_path):
    trial = calibration(tmp_path, masks=True).trial(0.6)
    assert (trial.entropy, trial.entropy_all) == (0.2, 0.4)


def test_all_temperatures_meet_the_same_problems_and_draws(tmp_path):
    made = calibration(tmp_path, budget=None)
    loader = made.predict_dataloader()
    results = [batch[0]() for batch in loader]
    assert [trial.temperature for trial in results] == [0.6, 1.0]
    (first, _, seed), (second, _, again) = made.module.asked
    assert seed == again
    assert (first, second) == (Sampling(0.6, 64), Sampling(1.0, 64))  # the model's budget, as the stage has none
    assert [each.id for each in made.problems()] == [each.id for each in made.problems()]
    assert len(made.problems()) == 2


def test_a_killed_sweep_reads_what_it_has_and_measures_the_rest(tmp_path):
    first, again, other = calibration(tmp_path), calibration(tmp_path), calibration(tmp_path, masks=True)
    trial = first.trial(0.6)
    assert again.trial(0.6) == trial
    assert again.module.asked == []
    other.trial(0.6)  # another mask is another measure
    again.trial(1.0)
    rows = [json.loads(line) for line in (tmp_path / "trials.jsonl").read_text().splitlines()]
    assert [row["temperature"] for row in rows] == [0.6, 0.6, 1.0]
