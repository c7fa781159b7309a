from copy import deepcopy

import pytest

import callbacks  # noqa: F401  the YAML names them
from acereason.runs.report.reading import Run, read_run
from acereason.runs.report.recipe import choices, differences, settings
from acereason.verbs.lightning_cli import lightning_cli
from tests.support.made_run import RL, make_rl, make_sft


def run_of(path: str, tmp_path) -> Run:
    """A run of a shipped file, before its first step."""
    cli = lightning_cli([f"--config={path}", "--trainer.logger=false", "--trainer.accelerator=cpu"], run=False)
    config = cli.parser.dump(cli.config, skip_none=False, skip_validation=True)
    (tmp_path / "config.yaml").write_text(config)
    return read_run(tmp_path, "run")


def test_the_papers_config_differs_from_the_paper_in_its_evaluation_and_nothing_else(tmp_path):
    """The paper reports n = 64 on AIME, the file takes 16 while training; the rest is the paper's."""
    rows = settings(run_of("conf/rl/qwen2.5-math-7b.yaml", tmp_path))
    assert [row.name for row in rows if not row.same] == ["evaluation"]
    ours = {row.name: row.ours for row in rows}
    assert ours["response budgets"] == "8,192 → 16,384 → 24,576 → 24,576 → 32,768 → 32,768"
    assert ours["overlong responses"] == "mask → mask → mask → mask → penalize → penalize"
    assert ours["rollouts of a prompt (G)"] == "8 and 16"
    assert ours["easy problems leave"] == "code_32k"


def test_the_papers_sft_config_is_the_papers(tmp_path):
    rows = settings(run_of("conf/sft/qwen2.5-math-7b.yaml", tmp_path))
    assert [row.name for row in rows if not row.same] == []


@pytest.mark.parametrize(
    ("stage", "temperature", "same"),
    [
        ("code_32k", [0.6, 0.8, 1.0], True),
        ("code_32k", [0.6, 1.2], False),
        ("math_8k", 0.6, False),
        ("math_8k", [0.85, 0.85], True),
    ],
)
def test_temperatures_of_1_0_in_code_stages_are_the_papers_too(tmp_path, stage, temperature, same):
    run = run_of("conf/rl/qwen2.5-math-7b.yaml", tmp_path)
    run.stages[stage]["temperature"] = temperature
    assert {row.name: row.same for row in settings(run)}["sampling temperature"] is same


def test_another_run_differs_where_it_does(tmp_path):
    run = read_run(make_rl(tmp_path / "rl"), "rl")
    different = {row.name: row.ours for row in settings(run) if not row.same}
    assert different == {
        "starts from": "runs/sft/export",
        "response budgets": "24 → 8,192",
        "learning rate": "1e-06",
        "easy problems leave": "no stage",
        "screened before the stage": "no stage",
        "evaluation": "heldout: avg@2, T 0.6, top-p 0.95, 24 tokens",
    }


SEVERAL = {"updates": 4, "ratio": "token", "old_logprobs": "trainer"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, ("1", True)),
        ({"off_policy": SEVERAL}, ("4, by clipped ratios (token)", False)),
        ({"strict_on_policy": True}, ("1", True)),  # of before there was `off_policy`
        ({"strict_on_policy": False}, ("unchecked", False)),
    ],
)
def test_how_often_a_batch_of_rollouts_is_used(tmp_path, changes, told):
    run = read_run(make_rl(tmp_path / "rl"), "rl")
    run.config = deepcopy(RL)
    run.model.update(changes)
    found = {each.name: (each.ours, each.same) for each in settings(run)}
    assert found["updates on a batch of rollouts"] == told


@pytest.mark.parametrize(
    ("key", "value", "question", "told"),
    [
        ("ddof", 0, "advantage", "ddof 0"),
        ("normalize", "batch", "loss", "all loss tokens of the step"),
        ("importance_cap", 2.0, "engine and trainer", "min(trainer / engine, 2)"),
        ("off_policy", SEVERAL, "on-policy", "4 updates a batch, by clipped ratios to the trainer's log-probs"),
    ],
)
def test_choices_say_what_the_run_does(tmp_path, key, value, question, told):
    run = read_run(make_rl(tmp_path / "rl"), "rl")
    assert told not in dict(choices(run))[question]
    run.config = deepcopy(RL)
    run.model[key] = value
    assert told in dict(choices(run))[question]


def test_runs_differ_in_keys(tmp_path):
    first, second = read_run(make_rl(tmp_path / "a"), "a"), read_run(make_rl(tmp_path / "b"), "b")
    second.model["sampling"]["temperature"] = 1.0
    second.config["trainer"]["callbacks"].pop()
    assert differences([first, second]) == [
        ["model.init_args.sampling.temperature", "0.85", "1.0"],
        ["trainer.callbacks.Health.class_path", "callbacks.Health", "-"],
        ["trainer.callbacks.Health.init_args.limits.window", "20", "-"],
    ]


def test_sft_settles_its_loss(tmp_path):
    ((question, answer),) = choices(read_run(make_sft(tmp_path / "sft"), "sft"))
    assert question == "loss"
    assert "mean log-prob" in answer
