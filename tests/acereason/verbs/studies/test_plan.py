from pathlib import Path

import pytest

from acereason.common.errors import UserError
from acereason.verbs.studies.plan import Cell, StudyStep, plan
from tests.support.made_study import config


@pytest.fixture
def steps(tmp_path):
    file = config(tmp_path)
    test = StudyStep("test", "test", file, each={"sft": ["--m={sft}/x"], "rl": ["--m={rl}/x"]})
    return [StudyStep("sft", "fit", file), StudyStep("rl", "fit", file, ["--p={sft}/export"]), test]


ARMS = {"plain": {}, "masked": {"rl": ["--mask=1"]}}


def test_arms_share_the_steps_that_come_out_equal(steps):
    cells = plan(steps, ARMS, [0, 1], Path("out"))
    assert len(cells) == 2 * 2 * 4
    # a seed: one SFT and its test for both arms; RL and its test for each
    assert len(set(cells.values())) == 2 * (2 + 2 * 2)
    assert cells[Cell("plain", 0, "sft", "end")] == cells[Cell("masked", 0, "sft", "end")]
    assert cells[Cell("plain", 0, "test", "sft")] == cells[Cell("masked", 0, "test", "sft")]
    assert cells[Cell("plain", 0, "rl", "end")] != cells[Cell("masked", 0, "rl", "end")]
    assert cells[Cell("plain", 0, "sft", "end")] != cells[Cell("plain", 1, "sft", "end")]


def test_a_command_line_by_hand(steps, tmp_path):
    cells = plan(steps, ARMS, [3], Path("out"))
    sft, rl = cells[Cell("masked", 3, "sft", "end")], cells[Cell("masked", 3, "rl", "end")]
    file = f"--config={tmp_path}/config.yaml"
    folder = ["--trainer.logger.save_dir=out/runs", f"--trainer.logger.name={rl.id}", "--ckpt_path=auto"]
    given = [f"--p=out/runs/{sft.id}/export", "--mask=1", "--seed_everything=3"]
    assert rl.arguments == ("fit", file, *given, *folder)
    assert rl.inputs == (sft.id,)
    test = cells[Cell("masked", 3, "test", "rl")]
    assert test.arguments[-1] == f"--trainer.default_root_dir=out/runs/{test.id}"
    assert test.inputs == (rl.id,)


def test_the_id_of_a_run_is_of_what_it_does_and_not_of_where(steps, tmp_path):
    def ids() -> list[str]:
        return [job.id for job in plan(steps, ARMS, [0], Path("out")).values()]

    before = ids()
    assert [job.id for job in plan(steps, ARMS, [0], Path("elsewhere")).values()] == before
    config(tmp_path, "a: 1   # a comment\n")
    assert ids() == before
    config(tmp_path, "a: 2\n")
    assert not set(ids()) & set(before)
    config(tmp_path)
    steps[0].overrides = ["--epochs=2"]  # RL comes of another SFT
    assert not set(ids()) & set(before)


def test_braces_that_name_no_step_stay(tmp_path):
    flags = ["--data.stages={math: {}}", "--template={statement}=", "--template=Q: {statement}/1"]
    step = StudyStep("rl", "fit", config(tmp_path), flags)
    (job,) = plan([step], {"a": {}}, [0], Path("out")).values()
    assert list(job.arguments[2:5]) == flags


def test_a_folder_is_of_an_earlier_step_with_one_run(steps):
    with pytest.raises(UserError, match=r"steps.rl: --p=\{sfd\}/export: no earlier step sfd .*there are sft"):
        plan([steps[0], StudyStep("rl", "fit", steps[0].config, ["--p={sfd}/export"])], {"a": {}}, [0], Path("out"))
    with pytest.raises(UserError, match=r"steps.sft: --p=\{rl\}/x: no earlier step rl with one run; there are none"):
        plan(steps, {"a": {"sft": ["--p={rl}/x"]}}, [0], Path("out"))
    last = StudyStep("last", "test", steps[0].config, ["--m={test}/x"])  # `test` has a run for each moment
    with pytest.raises(UserError, match=r"steps.last: --m=\{test\}/x: no earlier step test"):
        plan([*steps, last], {"a": {}}, [0], Path("out"))


def test_mistakes_name_the_key(steps):
    for seed in (-1, 2**32):
        with pytest.raises(UserError, match=f"seeds: {seed} is none; give numbers from 0 to 4294967295"):
            plan(steps, ARMS, [0, seed], Path("out"))
    with pytest.raises(UserError, match=r"arms.a: no step rll; did you mean rl\?"):
        plan(steps, {"a": {"rll": []}}, [0], Path("out"))
    with pytest.raises(UserError, match="seeds: 1 is there twice"):
        plan(steps, ARMS, [1, 1], Path("out"))
    with pytest.raises(UserError, match="arms: a study needs at least one"):
        plan(steps, {}, [1], Path("out"))
    with pytest.raises(UserError, match=r"steps.sft.verb: a study's steps are fit or test, not report"):
        plan([StudyStep("sft", "report", steps[0].config)], {"a": {}}, [0], Path("out"))
    with pytest.raises(UserError, match="steps: no file nowhere.yaml"):
        plan([StudyStep("sft", "fit", "nowhere.yaml")], {"a": {}}, [0], Path("out"))
