from types import SimpleNamespace

import pytest

from acereason.processes.signals import Interrupted
from acereason.runs.checkpoints import newest_checkpoint, step_of
from callbacks import Checkpoints
from tests.support.fakes import FakeModule, fake_trainer


class Trainer(SimpleNamespace):
    """Writes a checkpoint as Lightning does, and remembers in which order things happen."""

    def save_checkpoint(self, path):
        self.order.append(f"write {path.name}")
        self.saved = {"global_step": self.global_step, "weights": self.weights}
        if self.saves is not None:
            self.saves.on_save_checkpoint(self, FakeModule(), self.saved)
        path.parent.mkdir(exist_ok=True)
        path.write_text("state")


def trainer(folder, step: int, **attributes) -> Trainer:
    order: list[str] = []
    logger = SimpleNamespace(save=lambda: order.append("metrics"))
    made = Trainer(**vars(fake_trainer(global_step=step, log_dir=folder, loggers=[logger], is_last_batch=False)))
    made.order, made.strategy = order, SimpleNamespace(barrier=lambda name: None)
    made.current_epoch, made._checkpoint_connector = 0, SimpleNamespace(_get_loops_state_dict=dict)
    made.weights, made.saves, made.training = "of this step", None, True
    made.__dict__.update(attributes)
    return made


def names(folder) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def batch_end(callback, made) -> None:
    callback.on_train_batch_end(made, policy(), {}, None, 0)


def policy(end: int | None = None) -> FakeModule:
    """One in a stage that ends at this step."""
    stages = SimpleNamespace(ended=lambda step: step == end, plan=SimpleNamespace(stage="math_8k"))
    return FakeModule(curriculum=stages, data=SimpleNamespace(state_dict=dict))


def test_metrics_are_on_disk_before_the_checkpoint_and_it_appears_whole(tmp_path):
    made = trainer(tmp_path, 5)
    batch_end(Checkpoints(every_n_steps=5), made)
    assert made.order == ["metrics", "write .step-000005.ckpt"]
    assert names(tmp_path) == ["step-000005.ckpt"]


def test_every_n_steps_but_not_on_an_epochs_last_batch(tmp_path):
    callback = Checkpoints(every_n_steps=2)
    for step in (1, 2, 3):
        batch_end(callback, trainer(tmp_path, step))
    batch_end(callback, trainer(tmp_path, 4, is_last_batch=True))
    assert names(tmp_path) == ["step-000002.ckpt"]
    callback.on_train_epoch_end(trainer(tmp_path, 4), policy())
    assert names(tmp_path) == ["step-000002.ckpt", "step-000004.ckpt"]


def test_old_ones_go_and_the_ends_of_stages_stay(tmp_path):
    callback = Checkpoints(every_n_steps=1, keep=2)
    for step in (1, 2):
        batch_end(callback, trainer(tmp_path, step))
    callback.on_train_epoch_end(trainer(tmp_path, 3), policy(end=3))
    for step in (4, 5, 6):
        batch_end(callback, trainer(tmp_path, step))
    assert names(tmp_path) == ["step-000003-end-of-math_8k.ckpt", "step-000005.ckpt", "step-000006.ckpt"]
    assert newest_checkpoint(tmp_path).name == "step-000006.ckpt"


class Ended(FakeModule):
    """Some rank has had a signal."""

    data = SimpleNamespace(state_dict=dict)

    def end_if_interrupted(self):
        raise Interrupted(15, agreed=True)


def ended(callback, made, exception: BaseException) -> Interrupted:
    callback.on_exception(made, FakeModule(), exception)
    return exception


def test_a_signal_between_two_steps_ends_after_the_checkpoint_or_makes_one(tmp_path):
    for step in (4, 5):
        callback, made = Checkpoints(every_n_steps=4), trainer(tmp_path, step)
        with pytest.raises(Interrupted) as raised:
            callback.on_train_batch_end(made, Ended(), {}, None, 0)
        exception = ended(callback, made, raised.value)
        assert exception.kept == f"step {step} is saved in {tmp_path}/checkpoints/step-00000{step}.ckpt"
        assert exception.goes_on == {"--ckpt_path": "last"}
    assert names(tmp_path) == ["step-000004.ckpt", "step-000005.ckpt"]


def test_in_a_dropped_step_the_state_of_the_one_before_is_saved(tmp_path):
    """The data's position has moved on meanwhile, the weights have not."""
    callback = Checkpoints(every_n_steps=99)
    made = trainer(tmp_path, 5, current_epoch=1, saves=callback)
    batch_end(callback, made)
    made.current_epoch = 2
    ended(callback, made, Interrupted(15, agreed=True))
    assert names(tmp_path) == ["step-000005.ckpt"]
    assert made.saved["epoch"] == 1
    assert made.saved["weights"] == "of this step"


@pytest.mark.parametrize(
    "exception", [Interrupted(15), RuntimeError("a bug"), KeyboardInterrupt()], ids=["not agreed", "a bug", "Ctrl-C"]
)
def test_nothing_is_saved_where_not_every_rank_is_there(tmp_path, exception):
    callback = Checkpoints(every_n_steps=99)
    batch_end(callback, trainer(tmp_path, 5))
    callback.on_exception(trainer(tmp_path, 5), FakeModule(), exception)
    assert not (tmp_path / "checkpoints").exists()


def test_a_step_whose_update_was_followed_by_another_is_not_saved_under_its_name(tmp_path):
    callback = Checkpoints(every_n_steps=4)
    batch_end(callback, trainer(tmp_path, 4))
    batch_end(callback, trainer(tmp_path, 5))
    exception = ended(callback, trainer(tmp_path, 6), Interrupted(15, agreed=True))
    assert names(tmp_path) == ["step-000004.ckpt"]
    assert exception.kept.startswith("step 4 is saved in ")


def test_before_the_first_checkpoint_the_same_command_starts_anew(tmp_path):
    exception = ended(Checkpoints(4), trainer(tmp_path, 0), Interrupted(15, agreed=True))
    assert (exception.kept, exception.goes_on) == ("before its first checkpoint", {})


def test_what_a_kill_left_half_written_goes(tmp_path):
    batch_end(Checkpoints(1), trainer(tmp_path, 1))
    (tmp_path / "checkpoints/.step-000002.ckpt").mkdir()
    (tmp_path / "checkpoints/.step-000002.ckpt/part").write_text("half")
    (tmp_path / "checkpoints/.step-000003.ckpt").write_text("half")
    Checkpoints(1).on_train_start(trainer(tmp_path, 1), FakeModule())
    assert names(tmp_path) == ["step-000001.ckpt"]


def test_what_lies_ahead_of_a_rewound_run_is_set_aside(tmp_path):
    callback = Checkpoints(1, keep=9)
    for step in (1, 2, 3):
        batch_end(callback, trainer(tmp_path, step))
    callback.on_train_start(trainer(tmp_path, 1), FakeModule())
    assert names(tmp_path) == ["step-000001.ckpt", "superseded"]
    assert len(list((tmp_path / "checkpoints/superseded").iterdir())) == 2
    assert step_of(newest_checkpoint(tmp_path)) == 1


def test_of_one_step_the_end_of_its_stage_is_newest(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    for name in ("step-000004.ckpt", "step-000004-end-of-short.ckpt", ".step-000009.ckpt"):
        (tmp_path / "checkpoints" / name).write_text("")
    assert newest_checkpoint(tmp_path).name == "step-000004-end-of-short.ckpt"
    assert newest_checkpoint(tmp_path / "nowhere") is None


def test_a_resumed_run_that_has_nothing_to_do_says_so(tmp_path):
    callback = Checkpoints(1)
    callback.on_load_checkpoint(trainer(tmp_path, 0), FakeModule(), {"global_step": 9})
    with pytest.warns(UserWarning, match="nothing was trained: the run had finished at step 9"):
        callback.on_fit_end(trainer(tmp_path, 9), FakeModule())


@pytest.mark.parametrize("values", [{"every_n_steps": 0}, {"every_n_steps": 1, "keep": 0}])
def test_mistakes_name_the_field(values):
    with pytest.raises(ValueError, match="must be at least 1, not 0"):
        Checkpoints(**values)


@pytest.mark.parametrize("limit", [{"should_stop": True}, {"max_steps": 3}])
def test_a_limit_within_an_epoch_leaves_a_checkpoint_within_it(tmp_path, limit):
    """At the epoch's end Lightning calls it whole: a run that is resumed there would skip the rest of it."""
    callback = Checkpoints(every_n_steps=100)
    for step in (1, 2):
        batch_end(callback, trainer(tmp_path, step, **{name: value for name, value in limit.items() if value == 3}))
    made = trainer(tmp_path, 3, **limit)
    batch_end(callback, made)
    callback.on_train_epoch_end(made, policy())
    assert made.order == ["metrics", "write .step-000003.ckpt"]
    assert names(tmp_path) == ["step-000003.ckpt"]


def test_a_limit_at_the_end_of_an_epoch_or_of_a_stage_is_like_any_other(tmp_path):
    callback, made = Checkpoints(every_n_steps=100), trainer(tmp_path, 3, max_steps=3, is_last_batch=True)
    batch_end(callback, made)
    callback.on_train_epoch_end(made, policy())
    assert names(tmp_path) == ["step-000003.ckpt"]
    made = trainer(tmp_path, 4, max_steps=4)
    batch_end(callback, made)
    callback.on_train_epoch_end(made, policy(end=4))
    assert "step-000004-end-of-math_8k.ckpt" in names(tmp_path)
