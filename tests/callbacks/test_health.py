import json
import warnings

import pytest
import torch

from acereason.data.stage import Stage
from acereason.runs.files import RunFiles
from acereason.runs.health.rules import Limits
from callbacks import Health
from tests.support.fakes import FakeModule, curriculum, fake_trainer


def steps(health: Health, folder, rewards: list[float], start: int = 0, stage: str = "a") -> list[str]:
    module = FakeModule(curriculum=curriculum(**{stage: Stage(["s"], steps=99)}))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number, reward in enumerate(rewards, start + 1):
            trainer = fake_trainer(log_dir=folder, global_step=number)
            health.on_train_batch_end(trainer, module, {"reward/correct": reward}, None, 0)
    return [str(warning.message) for warning in caught]


def rows(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "health.jsonl").read_text().splitlines()]


def test_it_warns_once_a_stage_and_writes_it_down(tmp_path):
    health = Health(every_n_steps=2, limits=Limits(window=4))
    (warning,) = steps(health, tmp_path, [0.0] * 8)
    assert warning.startswith("stage a, step 3, reward_zero: 0.0% of the responses are correct")
    steps(health, tmp_path, [0.0] * 4, start=8, stage="b")
    assert [(row["stage"], row["step"], row["rule"]) for row in rows(tmp_path)] == [
        ("a", 3, "reward_zero"),
        ("b", 11, "reward_zero"),
    ]


def test_a_resumed_run_says_the_same_and_drops_what_it_says_again(tmp_path):
    whole, first, second = (Health(every_n_steps=2, limits=Limits(window=4)) for _ in range(3))
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    steps(whole, tmp_path / "whole", [0.0] * 8)
    steps(first, tmp_path / "killed", [0.0] * 2)
    torch.save(first.state_dict(), tmp_path / "state")
    steps(first, tmp_path / "killed", [0.0] * 4, start=2)  # says it, and is killed
    second.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    RunFiles(tmp_path / "killed").keep_before(2)
    steps(second, tmp_path / "killed", [0.0] * 6, start=2)
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")


def test_an_empty_file_says_that_the_run_was_watched(tmp_path):
    Health().on_train_start(fake_trainer(log_dir=tmp_path), FakeModule())
    assert rows(tmp_path) == []


def test_sft_is_one_stage(tmp_path):
    health = Health(every_n_steps=1, limits=Limits(window=2))
    trainer = fake_trainer(log_dir=tmp_path, global_step=1)
    health.on_train_batch_end(trainer, FakeModule(), {"policy/entropy": 9.0, "policy/grad_norm": 1.0}, None, 0)
    assert health.watch.stage == "sft"


def test_never_is_not_a_number_of_steps():
    with pytest.raises(ValueError, match="every_n_steps"):
        Health(every_n_steps=0)


def test_an_older_checkpoint_without_limits_goes_on_and_may_speak_again(tmp_path):
    first, second = (Health(every_n_steps=1, limits=Limits(window=2)) for _ in range(2))
    steps(first, tmp_path, [0.0] * 3)
    state = first.state_dict()
    del state["limits"]
    second.load_state_dict(state)
    assert (second.watch.history, second.watch.fired) == (first.watch.history, [])
