from functools import partial

import pytest
import torch
from safetensors.torch import load_file

from acereason.data.stage import Stage
from acereason.evaluation.accuracy import Accuracy
from acereason.models.exports import export
from callbacks import Plateau
from tests.support.fakes import TOKENIZER, FakeModule, curriculum, fake_trainer, tiny_qwen

MODEL = tiny_qwen()


def evaluations(callback: Plateau, folder, *avgs: float, stage: str = "a", patience: int | None = 2) -> bool:
    """Whether the stage has been stopped after these evaluations of aime24."""
    stages = curriculum(**{stage: Stage(["s"], 9, monitor="aime24", patience=patience)})
    module = FakeModule(export=partial(export, MODEL, TOKENIZER, is_writer=True), curriculum=stages)
    trainer = fake_trainer(training=True, global_step=3, log_dir=folder)
    for avg in avgs:
        result = {"aime24": Accuracy(avg, 0.1, 30, 16, 0.0, 900.0, 0.1, 0.02, 0.8)}
        callback.on_evaluation(trainer, module, result)
    return stages.plan.stopped


def test_it_ends_a_stage_after_the_patience(tmp_path):
    assert not evaluations(Plateau(), tmp_path, 0.3, 0.2, 0.4, 0.4)
    assert evaluations(Plateau(), tmp_path, 0.3, 0.4, 0.4, 0.39)


def test_without_patience_it_only_keeps_the_best(tmp_path):
    assert not evaluations(Plateau(), tmp_path, *[0.3] * 9, patience=None)
    kept = load_file(tmp_path / "exports/best-of-a/model.safetensors")
    torch.testing.assert_close(kept["model.norm.weight"], MODEL.model.norm.weight.detach())


def test_a_stage_begins_with_a_best_of_its_own(tmp_path):
    callback = Plateau()
    evaluations(callback, tmp_path, 0.9)
    evaluations(callback, tmp_path, 0.1, stage="b")
    assert (callback.stage, callback.best, callback.without) == ("b", 0.1, 0)
    assert (tmp_path / "exports/best-of-b").exists()


def test_better_means_by_more_than_min_delta(tmp_path):
    assert evaluations(Plateau(min_delta=0.05), tmp_path, 0.30, 0.34, 0.35)


def test_what_is_known_survives_a_checkpoint(tmp_path):
    first, second = Plateau(), Plateau()
    assert not evaluations(first, tmp_path, 0.3, 0.2)
    second.load_state_dict(first.state_dict())
    assert evaluations(second, tmp_path, 0.25)


@pytest.mark.parametrize("values", [{"training": False}, {"global_step": 0}])
def test_evaluations_outside_of_a_stage_do_not_count(tmp_path, values):
    callback, module = Plateau(), FakeModule(curriculum=curriculum(a=Stage(["s"], 9, monitor="x")))
    trainer = fake_trainer(**{"training": True, "global_step": 3, "log_dir": tmp_path} | values)
    callback.on_evaluation(trainer, module, {"x": Accuracy(0.5, 0.1, 30, 16, 0.0, 900.0, 0.1, 0.02, 0.8)})
    assert callback.stage is None


def test_another_monitor_begins_with_a_best_of_its_own(tmp_path):
    callback = Plateau()
    evaluations(callback, tmp_path, 0.9, 0.8)
    assert not callback.is_best("a", "aime24", 0.5)
    assert callback.is_best("a", "aime25", 0.1)
    assert (callback.monitor, callback.best, callback.without) == ("aime25", 0.1, 0)


def test_the_plan_is_told_how_many_evaluations_were_no_better(tmp_path):
    callback, stages = Plateau(), curriculum(a=Stage(["s"], 9, monitor="x", patience=2))
    module = FakeModule(export=lambda folder: None, curriculum=stages)
    trainer = fake_trainer(training=True, global_step=3, log_dir=tmp_path)
    for avg, told in ((0.3, (0, False)), (0.2, (1, False)), (0.4, (0, False)), (0.4, (1, False)), (0.4, (2, True))):
        accuracy = Accuracy(avg, 0.1, 30, 16, 0.0, 900.0, 0.1, 0.02, 0.8)
        callback.on_evaluation(trainer, module, {"x": accuracy})
        assert (stages.plan.without, stages.plan.stopped) == told
    assert stages.plan.best == str(tmp_path / "exports/best-of-a")


def test_an_older_checkpoint_without_the_monitor_counts_on(tmp_path):
    callback = Plateau()
    callback.load_state_dict({"stage": "a", "best": 0.4, "without": 1})
    assert evaluations(callback, tmp_path, 0.3)
    assert (callback.best, callback.without) == (0.4, 2)
