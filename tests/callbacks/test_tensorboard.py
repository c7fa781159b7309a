import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2

from acereason.data.curriculum import Plan
from acereason.data.stage import Stage
from callbacks import TensorBoard
from callbacks.tensorboard import draw_curriculum
from tests.support.fakes import FakeModule, curriculum, fake_trainer, group, rollout

STAGES = {
    "math_8k": Stage(["a"], steps=10, max_response_length=8192, overlong="mask"),
    "code": Stage(["b"], epochs=2),
}


def test_layout_histograms_and_curriculum_reach_the_events(tmp_path):
    logger = TensorBoardLogger(tmp_path, name="", version="")
    module = FakeModule(curriculum=curriculum(Plan("code", 0, 0, 0, 0), **STAGES))
    trainer = fake_trainer(loggers=[logger], global_step=20)
    callback = TensorBoard(every_n_steps=10)
    callback.on_train_start(trainer, module)
    callback.on_rollouts(trainer, module, [group(rollout("correct", 4), rollout("wrong", 8))])
    trainer.global_step = 21
    callback.on_rollouts(trainer, module, [group(rollout())])
    callback.on_train_epoch_end(trainer, module)
    logger.finalize("success")

    events = EventAccumulator(str(tmp_path)).Reload()
    (lengths,), (rates,) = events.Histograms("response/length"), events.Histograms("reward/pass_rate")
    assert (lengths.step, lengths.histogram_value.min, lengths.histogram_value.max, lengths.histogram_value.num) == (
        20,
        4,
        8,
        2,
    )
    assert rates.histogram_value.sum == 0.5
    assert [image.step for image in events.Images("curriculum")] == [21]
    layout = layout_pb2.Layout.FromString(events.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0])
    (category,) = layout.category
    assert category.title == "is it healthy?"
    assert len(category.chart) == 10


def test_another_logger_is_left_alone(tmp_path):
    trainer = fake_trainer(loggers=[CSVLogger(tmp_path)])
    callback = TensorBoard(every_n_steps=1)
    callback.on_train_start(trainer, FakeModule())
    callback.on_rollouts(trainer, FakeModule(), [group(rollout())])


def test_the_curriculum_shows_budgets_and_where_the_run_is():
    axes = draw_curriculum(STAGES, "code").axes[0]
    assert [text.get_text() for text in axes.texts] == ["8,192", "the model's"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["math_8k\n10 steps\nmask", "code\n2 epochs\n"]
    assert axes.patches[0].get_facecolor() != axes.patches[1].get_facecolor()


def test_never_is_not_a_number_of_steps():
    with pytest.raises(ValueError, match="every_n_steps"):
        TensorBoard(every_n_steps=0)
