import json
import warnings

from acereason.runs.health.rules import Limits
from callbacks import EntropyMonitor, Health
from tests.support.fakes import FakeModule, curriculum, fake_trainer


def steps(callbacks, folder, *entropies: float) -> list[str]:
    module = FakeModule(curriculum=curriculum())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number, entropy in enumerate(entropies, 1):
            trainer = fake_trainer(log_dir=folder, global_step=number)
            metrics = {"policy/entropy": entropy, "policy/temperature": 0.85, "reward/correct": 0.0}
            for callback in callbacks:
                callback.on_train_batch_end(trainer, module, metrics, None, 0)
    return [str(warning.message) for warning in caught]


def test_it_warns_of_both_sides_with_the_temperature_and_what_to_try(tmp_path):
    monitor = EntropyMonitor(window=2, every_n_steps=1)
    low, high = steps([monitor], tmp_path, 0.05, 0.05, 0.05, 0.3, 0.7)
    assert low.startswith("stage a, step 1, entropy_collapse: entropy is 0.050 at temperature 0.85, below 0.3 - 0.1")
    assert "Try a higher sampling temperature" in low
    assert high.startswith("stage a, step 4, entropy_blow_up: entropy is 0.500 at temperature 0.85, above 0.3 + 0.1")
    assert "Try a lower sampling temperature" in high


def test_the_target_and_the_band_are_its_own(tmp_path):
    assert steps([EntropyMonitor(0.1, 0.05, window=2, every_n_steps=1)], tmp_path, 0.06, 0.06, 0.14) == []
    assert len(steps([EntropyMonitor(0.1, 0.03, window=2, every_n_steps=1)], tmp_path, 0.06, 0.06)) == 1


def test_beside_health_both_write_to_one_file(tmp_path):
    pair = [EntropyMonitor(window=2, every_n_steps=1), Health(every_n_steps=1, limits=Limits(window=2))]
    for callback in pair:
        callback.on_train_start(fake_trainer(log_dir=tmp_path), FakeModule())
    steps(pair, tmp_path, 0.05, 0.05, 0.05)
    rows = [json.loads(line) for line in (tmp_path / "health.jsonl").read_text().splitlines()]
    assert [(row["step"], row["rule"]) for row in rows] == [(1, "entropy_collapse"), (1, "reward_zero")]
    assert pair[0].state_key != pair[1].state_key
