"""What the recorder writes, when, and what of it can be left out."""

import json
import os
from types import SimpleNamespace

import torch
from lightning.pytorch.loggers import TensorBoardLogger

from acereason.evaluation.accuracy import Accuracy
from acereason.runs.curves import read_curves
from acereason.runs.files import RunFiles
from acereason.runs.records import Samples
from callbacks import Recorder
from tests.support.fakes import FakeModule, curriculum, fake_trainer, group, rollout
from tests.support.made_run import make_rl, make_sft

ACCURACIES = {"aime24": Accuracy(0.5, 0.1, 30, 16, 0.0, 900.0, 0.1, 0.02, 0.8)}
STEP = {"response/tokens": 10.0, "reward/mean": 0.5, "time/rollout": 2.0}


def trainer_at(folder, step: int, **attributes):
    state = SimpleNamespace(fn="fit")
    return fake_trainer(log_dir=folder, global_step=step, training=True, state=state, callback_metrics={}, **attributes)


def whole_step(recorder: Recorder, trainer) -> None:
    """Everything that happens in a step."""
    module = FakeModule(curriculum=curriculum())
    recorder.on_rollouts(trainer, module, [group(rollout(), name="p"), group(rollout(), name="q")])
    recorder.on_metrics(trainer, module, {"reward/mean": 0.5}, trainer.global_step)
    recorder.on_validation_end(trainer, module)
    recorder.on_train_batch_end(trainer, module, STEP, None, 0)
    recorder.on_evaluation(trainer, module, ACCURACIES)
    recorder.on_train_epoch_end(trainer, module)


def test_every_file_is_written_and_each_can_be_left_out(tmp_path):
    every = {"metrics.jsonl", "groups.jsonl", "samples.jsonl", "summary.json", "curves.png"}
    without = {"groups": {"groups.jsonl"}, "summary": {"summary.json"}, "curves": {"curves.png"}}
    # without metrics there is nothing to draw here: no logger has any
    left_out = {key: (False, names) for key, names in without.items()}
    left_out |= {"metrics": (False, {"metrics.jsonl", "curves.png"}), "samples": (None, {"samples.jsonl"})}
    for key, (value, names) in {"title": (None, set()), **left_out}.items():
        files = RunFiles(make_rl(tmp_path / key))
        for name in every & {*os.listdir(files.folder)}:
            (files.folder / name).unlink()
        whole_step(Recorder(**{key: value}), trainer_at(files.folder, 0))
        assert every & {*os.listdir(files.folder)} == every - names


def test_every_group_of_every_step_is_written_and_samples_every_n_steps(tmp_path):
    recorder, module = Recorder(samples=Samples(every_n_steps=4)), FakeModule(curriculum=curriculum())
    for step in range(5):
        groups = [group(rollout(), name="p"), group(rollout("wrong"), name="q")]
        recorder.on_rollouts(trainer_at(tmp_path, step), module, groups)
    files = RunFiles(tmp_path)
    assert [(row["step"], row["problem"]) for row in files.groups.read()] == [(n, p) for n in range(5) for p in "pq"]
    assert [(row["stage"], row["step"], row["problem"]) for row in files.samples.read()] == [
        ("a", 0, "p"),
        ("a", 4, "p"),
    ]


def test_rows_become_curves_and_the_later_of_two_counts(tmp_path):
    recorder = Recorder()
    for step, loss in ((0, 3.0), (1, 2.0), (1, 1.0)):
        recorder.on_metrics(trainer_at(tmp_path, step + 1), FakeModule(), {"policy/loss": loss}, step)
    recorder.on_metrics(trainer_at(tmp_path, 2), FakeModule(), {"eval/heldout/avg": 0.5}, 2)
    assert read_curves(tmp_path) == {"policy/loss": [(0, 3.0), (1, 1.0)], "eval/heldout/avg": [(2, 0.5)]}


def test_validate_and_test_do_not_write_into_the_run(tmp_path):
    trainer = fake_trainer(log_dir=tmp_path, training=False)
    Recorder().on_metrics(trainer, FakeModule(), {"eval/heldout/avg": 0.5}, 0)
    assert list(tmp_path.iterdir()) == []


def test_losses_that_lightning_averages_are_of_the_step_before(tmp_path):
    trainer = trainer_at(tmp_path, 10)
    trainer.callback_metrics = {"eval/heldout/loss": torch.tensor(0.25), "loss": torch.tensor(1.0)}
    Recorder().on_validation_end(trainer, FakeModule())
    assert read_curves(tmp_path) == {"eval/heldout/loss": [(9, 0.25)]}


def test_evaluations_are_in_the_summary_at_once(tmp_path):
    Recorder().on_evaluation(trainer_at(tmp_path, 7), FakeModule(), ACCURACIES)
    (row,) = json.loads(RunFiles(tmp_path).summary.read_text())["evaluations"]
    assert (row["step"], row["benchmark"], row["avg"], row["stderr"]) == (7, "aime24", 0.5, 0.1)


def test_counters_survive_a_checkpoint_and_are_those_of_the_callback_summary_before(tmp_path):
    first, second = Recorder(), Recorder()
    first.on_train_batch_end(trainer_at(tmp_path, 1), FakeModule(), STEP, None, 0)
    torch.save({first.state_key: first.state_dict()}, tmp_path / "state")
    second.load_state_dict(torch.load(tmp_path / "state", weights_only=True)["Summary"])
    for recorder in (first, second):
        recorder.on_train_batch_end(trainer_at(tmp_path, 2), FakeModule(), STEP, None, 1)
    stage = {"steps": 2, "response_tokens": 20, "reward/mean": {"first": 0.5, "last": 0.5, "mean": 0.5}}
    summary = {"stages": {"sft": stage}, "evaluations": [], "seconds": {"rollout": 4.0}}
    assert first.tally.summary() == second.tally.summary() == summary


def test_curves_are_drawn_for_sft_too_and_of_a_run_that_has_logged_nothing_not(tmp_path):
    for folder in (make_sft(tmp_path / "sft"), make_rl(tmp_path / "rl")):
        Recorder().on_train_epoch_end(trainer_at(folder, 1), FakeModule())
        assert RunFiles(folder).curves.read_bytes().startswith(b"\x89PNG")
    empty = RunFiles(make_rl(tmp_path / "begun"))
    empty.metrics.replace([])
    Recorder().on_train_epoch_end(trainer_at(empty.folder, 1), FakeModule())
    assert not empty.curves.exists()


def test_half_a_surrogate_pair_is_written_and_shown(tmp_path):
    odd = group(rollout("wrong"))
    odd.rollouts[0].response.text = "a\ud83d"
    logger = TensorBoardLogger(tmp_path, name="", version="")
    Recorder().on_rollouts(trainer_at(tmp_path, 0, loggers=[logger]), FakeModule(curriculum=curriculum()), [odd])
    logger.experiment.close()
    assert RunFiles(tmp_path).samples.read()[0]["response"] == "a\ud83d"
    assert any("a\ufffd".encode() in path.read_bytes() for path in tmp_path.glob("events*"))
