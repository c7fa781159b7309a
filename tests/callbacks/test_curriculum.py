from pathlib import Path

from acereason.common.types import Sampling
from acereason.data.curriculum import Plan
from acereason.data.stage import Stage
from callbacks import Curriculum
from callbacks.curriculum import found
from tests.support.fakes import FakeModule, fake_trainer
from tests.support.fakes import curriculum as stages_in

STAGES = {
    "own": Stage(["s"], 2, max_response_length=64, group_size=16, temperature=0.9, learning_rate=5e-6),
    "default": Stage(["s"], 2),
}


class Policy(FakeModule):
    started_from = None

    def restart_from(self, folder) -> None:
        self.started_from = folder


def enter(curriculum: Curriculum, trainer, module, stage: str, start: int = 0, best: str | None = None) -> None:
    plan = Plan(stage, 0, 0, stage_start=start, epoch_start=start, starts_from=best)
    module.curriculum = stages_in(plan, **STAGES)
    curriculum.on_stage_start(trainer, module, ["p"])


def test_a_stage_sets_what_it_names_and_leaves_the_rest_to_the_model():
    module = Policy(sampling=Sampling(0.6, 8192), group_size=8, learning_rate=1e-6)
    trainer, curriculum = fake_trainer(), Curriculum()
    curriculum.setup(trainer, module, "fit")
    enter(curriculum, trainer, module, "own")
    assert (module.sampling, module.group_size, module.learning_rate) == (Sampling(0.9, 64), 16, 5e-6)
    curriculum.on_train_batch_end(trainer, module, {}, None, 0)
    assert module.logged == {"stage/index": 0.0, "stage/epoch": 0.0}
    enter(curriculum, trainer, module, "default", start=2)
    assert (module.sampling, module.group_size, module.learning_rate) == (Sampling(0.6, 8192), 8, 1e-6)


def test_a_value_for_each_epoch_and_the_last_for_all_that_follow():
    stages = {"ramp": Stage(["s"], 9, temperature=[0.6, 0.8, 1.0], group_size=[8, 16])}
    module = Policy(sampling=Sampling(0.85, 8192), group_size=4, learning_rate=1e-6)
    trainer, curriculum = fake_trainer(), Curriculum()
    curriculum.setup(trainer, module, "fit")
    seen = []
    for epoch in range(4):
        module.curriculum = stages_in(Plan("ramp", epoch, epoch, stage_start=0, epoch_start=epoch), **stages)
        if epoch == 0:
            curriculum.on_stage_start(trainer, module, ["p"])
        curriculum.on_train_epoch_start(trainer, module)
        seen.append((module.sampling.temperature, module.group_size))
    assert seen == [(0.6, 8), (0.8, 16), (1.0, 16), (1.0, 16)]
    resumed, module.sampling = Curriculum(), Sampling(0.85, 8192)
    resumed.setup(trainer, module, "fit")
    module.curriculum = stages_in(Plan("ramp", 1, 1, stage_start=0, epoch_start=1), **stages)
    resumed.on_stage_start(trainer, module, ["p"])
    assert (module.sampling.temperature, module.group_size) == (0.8, 16)


def test_a_stage_starts_from_the_best_of_the_one_before_but_a_resumed_one_goes_on(tmp_path):
    module = Policy(sampling=Sampling(), group_size=8, learning_rate=1e-6)
    trainer = fake_trainer(global_step=4, log_dir=tmp_path, ckpt_path=None)
    for start, expected in [(4, Path("exports/best-of-own")), (3, None)]:
        curriculum, module.started_from = Curriculum(), None
        curriculum.setup(trainer, module, "fit")
        enter(curriculum, trainer, module, "default", start, best="exports/best-of-own")
        assert module.started_from == expected


def test_the_best_policy_is_found_where_its_run_is_now(tmp_path):
    """In the run's folder, wherever that was moved; else beside the checkpoint that begins a run in another folder."""
    recorded = tmp_path / "before/exports/best-of-own"
    trainer = fake_trainer(log_dir=tmp_path / "now", ckpt_path=str(tmp_path / "other/checkpoints/step-000004.ckpt"))
    for home in ("before", "other", "now"):
        there = tmp_path / home / "exports/best-of-own"
        there.mkdir(parents=True)
        assert found(trainer, recorded) == there
