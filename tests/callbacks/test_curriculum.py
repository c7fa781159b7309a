from types import SimpleNamespace

from fakes import FakeModule, fake_trainer

from acereason.data.curriculum import Plan, Stage
from acereason.types import Sampling
from callbacks import Curriculum

STAGES = {
    "own": Stage(["s"], 2, max_response_length=64, group_size=16, temperature=0.9, learning_rate=5e-6),
    "default": Stage(["s"], 2),
}


def test_a_stage_sets_what_it_names_and_leaves_the_rest_to_the_model():
    data = SimpleNamespace(stages=STAGES, remaining=lambda: [1, 2, 3])
    module = FakeModule(sampling=Sampling(0.6, 8192), group_size=8, learning_rate=1e-6)
    trainer, curriculum = fake_trainer(datamodule=data), Curriculum()
    curriculum.setup(trainer, module, "fit")

    data.plan, data.stage = Plan("own", 0, 0, 0, 0), STAGES["own"]
    curriculum.on_train_start(trainer, module)
    assert (module.sampling, module.group_size, module.learning_rate) == (Sampling(0.9, 64), 16, 5e-6)
    curriculum.on_train_batch_end(trainer, module, {}, None, 0)
    assert module.logged == {"stage/index": 0.0, "stage/epoch": 0.0}

    data.plan, data.stage = Plan("default", 1, 0, 2, 2), STAGES["default"]
    curriculum.on_train_epoch_start(trainer, module)
    assert (module.sampling, module.group_size, module.learning_rate) == (Sampling(0.6, 8192), 8, 1e-6)


def test_the_announcement_counts_what_a_step_takes():
    data = SimpleNamespace(
        stages=STAGES, remaining=lambda: [1, 2, 3], plan=Plan("own", 0, 0, 0, 0), stage=STAGES["own"]
    )
    module = FakeModule(sampling=Sampling(0.9, 64), group_size=16, learning_rate=5e-6)
    assert Curriculum().announcement(data, module) == (
        "stage own (1 of 2): 2 steps of 3 prompts x 16 rollouts, up to 64 tokens at temperature 0.9, "
        "learning rate 5e-06"
    )
