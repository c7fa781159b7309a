from types import SimpleNamespace

from fakes import FakeModule, fake_trainer, group, rollout

from acereason.data.curriculum import Plan, Stage
from callbacks import EasyFilter

GROUPS = [
    group(rollout("correct"), rollout("correct"), name="easy"),
    group(rollout("correct"), rollout("wrong"), name="half"),
    group(rollout("correct"), rollout("error"), name="unsure"),
]


def trainer(easy_filter: bool):
    plan = Plan("a", epoch=4, stage_epoch=1, stage_start=0, epoch_start=0)
    return fake_trainer(
        datamodule=SimpleNamespace(stage=Stage(["s"], 1, easy_filter=easy_filter), plan=plan, solved={})
    )


def test_only_problems_whose_every_rollout_is_correct_are_recorded():
    seen = trainer(easy_filter=True)
    EasyFilter().on_rollouts(seen, FakeModule(), GROUPS)
    assert seen.datamodule.solved == {"easy": 4}


def test_a_stage_that_does_not_filter_records_nothing():
    seen = trainer(easy_filter=False)
    EasyFilter().on_rollouts(seen, FakeModule(), GROUPS)
    assert seen.datamodule.solved == {}


def test_what_is_left_is_logged():
    data = SimpleNamespace(remaining=lambda: [1, 2], stage_problems=lambda: [1, 2, 3])
    module = FakeModule()
    EasyFilter().on_train_batch_end(fake_trainer(datamodule=data), module, {}, None, 0)
    assert module.logged == {"stage/remaining": 2.0, "stage/filtered": 1.0}
