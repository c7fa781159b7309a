"""The whole path through run.py, on conf/debug.yaml."""

import json
import os
import subprocess
import sys

import pytest

import run
from acereason.runs.curves import read_curves, read_events
from acereason.verbs.table import VERBS
from tests.support.comparison import metrics, same_weights

NAMES = {
    *("reward/mean", "reward/std", "reward/correct", "reward/error_rate", "reward/zero_variance"),
    *("response/length_mean", "response/length_max", "response/truncated", "response/tokens"),
    *("response/entropy", "response/signal"),
    *("policy/loss", "policy/entropy", "policy/entropy_first", "policy/entropy_last"),
    *("policy/temperature", "policy/grad_norm", "policy/lr"),
    *("sync/seconds", "sync/probe_gap", "sync/logprob_gap", "sync/logprob_gap_max", "sync/kl"),
    *("time/rollout", "time/reward", "time/train", "time/step"),
    *("time/pack", "time/forward", "time/backward", "time/optimizer"),
    *("throughput/tokens_per_second", "stage/index", "stage/epoch", "stage/remaining", "stage/filtered"),
    *("eval/heldout/avg", "eval/heldout/stderr"),
}


def test_the_debug_run_leaves_what_it_promises(debug_run):
    folder = debug_run()
    curves = read_curves(folder)
    assert curves.keys() >= NAMES
    assert [step for step, _ in curves["policy/loss"]] == list(range(12))
    assert [value for _, value in curves["stage/index"]] == [0] * 4 + [1] * 4 + [2] * 4
    assert [value for _, value in curves["stage/epoch"]] == [0, 0, 1, 1] * 3  # 20 problems, 8 a step; 10, 5 a step
    for name in ("logprob_gap", "logprob_gap_max", "probe_gap", "kl"):
        assert 0 <= max(value for _, value in curves[f"sync/{name}"]) < 1e-5
    assert sum(value > 0 for _, value in curves["policy/grad_norm"]) >= 10  # some group has two different rewards
    assert [value for _, value in curves["response/length_max"]] == [8.0] * 4 + [16.0] * 8
    assert [value for _, value in curves["policy/lr"]] == pytest.approx([1e-2] * 8 + [1e-3] * 4)
    assert [curves["policy/temperature"][step][1] for step in (0, 4)] == pytest.approx([1.0, 0.9])

    events = read_events(folder)
    assert events.keys() == curves.keys()  # metrics.jsonl has what TensorBoard has
    for name, curve in curves.items():
        assert [step for step, _ in events[name]] == [step for step, _ in curve]
        assert [value for _, value in events[name]] == pytest.approx([value for _, value in curve], nan_ok=True)

    summary = json.loads((folder / "summary.json").read_text())
    assert {name: stage["steps"] for name, stage in summary["stages"].items()} == {"short": 4, "long": 4, "rest": 4}
    assert [(e["step"], e["benchmark"], e["n"], e["problems"]) for e in summary["evaluations"]] == [
        (step, "heldout", 2, 8) for step in (0, 2, 4, 6, 8, 10, 12)
    ]
    parts = {"rollout", "reward", "idle", "train", "pack", "forward", "backward", "optimizer"}
    assert summary["seconds"].keys() == parts
    assert sum(summary["seconds"][name] for name in ("pack", "forward", "backward")) < summary["seconds"]["train"]
    samples = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    assert [row["step"] for row in samples[::2]] == list(range(12))
    groups = [json.loads(line) for line in (folder / "groups.jsonl").read_text().splitlines()]
    assert [row["step"] for row in groups] == [step for step in range(12) for _ in range(8 if step < 8 else 5)]
    assert {row["correct"] + row["wrong"] + row["error"] for row in groups[:64]} == {4}
    for name in ("config.yaml", "health.jsonl", "curves.png", "filtered.jsonl", "export/model.safetensors"):
        assert (folder / name).exists()
    assert {path.name for path in (folder / "exports").iterdir()} == {"short", "long", "best-of-long", "rest"}
    ends = ["step-000004-end-of-short.ckpt", "step-000008-end-of-long.ckpt", "step-000012-end-of-rest.ckpt"]
    assert sorted(path.name for path in (folder / "checkpoints").glob("*end-of*")) == ends


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run_and_another_seed_another(debug_run):
    first, again = debug_run(name="first"), debug_run(name="again")
    other = debug_run("--seed_everything=1", name="other")
    assert metrics(first) == metrics(again)
    assert metrics(first) != metrics(other)
    same_weights(first / "export", again / "export")


@pytest.mark.slow
def test_any_value_can_be_overridden(debug_run):
    folder = debug_run("--data.stages.long.steps=1", "--data.stages.rest.epochs=1", "--model.group_size=3")
    assert [value for _, value in read_curves(folder)["stage/index"]] == [0] * 4 + [1] + [2] * 2
    assert sum(1 for _ in (folder / "samples.jsonl").open()) == 7 * 2
    curves = read_curves(folder)
    assert curves["reward/correct"][0] == (0, 0.0)  # random weights
    assert curves["reward/zero_variance"][0][1] < 1  # but `soft` tells their lengths apart


@pytest.mark.slow
def test_evaluation_does_not_change_training(debug_run):
    stages = json.dumps({"only": {"sources": ["sums"], "steps": 3, "prompts_per_step": 4, "max_response_length": 8}})
    listed = [{"class_path": name} for name in ("Curriculum", "WeightSync", "Export")]
    evaluation = {"class_path": "Evaluation", "init_args": {"every_n_steps": 1}}
    runs = []
    for name, callbacks in {"without": listed, "with": [*listed, evaluation]}.items():
        runs.append(debug_run(f"--data.stages={stages}", f"--trainer.callbacks={json.dumps(callbacks)}", name=name))
    same_weights(*(folder / "export" for folder in runs))
    assert "eval/heldout/avg" in metrics(runs[1])


def test_without_any_recipe_callback_plain_grpo_is_left(debug_run, tmp_path):
    stages = {"only": {"sources": ["sums"], "steps": 3, "prompts_per_step": 4}}
    callbacks = [{"class_path": "WeightSync"}, {"class_path": "Export"}]
    overlay = {"data": {"init_args": {"stages": stages}}, "trainer": {"callbacks": callbacks}}
    (tmp_path / "plain.yaml").write_text(json.dumps(overlay))
    folder = debug_run(f"--config={tmp_path / 'plain.yaml'}", "--model.sampling.max_response_length=8")
    assert [step for step, _ in read_curves(folder)["policy/loss"]] == [0, 1, 2]
    assert (folder / "export/config.json").exists()


def test_without_weight_sync_the_first_rollout_refuses(debug_run):
    listed = [{"class_path": name} for name in ("Curriculum", "Overlong", "EasyFilter", "Plateau")]
    listed.append({"class_path": "Evaluation", "init_args": {"every_n_steps": 9}})
    with pytest.raises(RuntimeError, match="the engine holds policy None, the trainer is at step 0: list WeightSync"):
        debug_run(f"--trainer.callbacks={json.dumps(listed)}")


def test_validate_evaluates_without_training(debug_run, tmp_path):
    args = [f"--trainer.logger.save_dir={tmp_path}", "--trainer.logger.name=v"]
    run.main(["validate", "--config=conf/debug.yaml", *args])
    (evaluation,) = json.loads((tmp_path / "v-validate/summary.json").read_text())["evaluations"]
    assert (evaluation["benchmark"], evaluation["problems"]) == ("heldout", 8)
    assert not (tmp_path / "v").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["--model.group_size=1"], "group_size must be at least 2, not 1"),
        (["--model.groupsize=4"], "model: Option 'groupsize' is not accepted"),
        (["--data.stages.short.steps=0"], "data.stages.short.steps: must be at least 1, not 0"),
        (["--data.stages.short.step=3"], "Option 'step' is not accepted"),
        (["--data.stages.short.sources=[x]"], "data.stages.short.sources: no 'x' under data.sources"),
        (["--data.stages.short.max_response_length=64"], "data.stages.short.max_response_length: the model's context"),
        (["--model.sampling.top_p=0.9"], "sampling.top_p: must be 1 in RL"),
        (["--trainer.reload_dataloaders_every_n_epochs=0"], "trainer.reload_dataloaders_every_n_epochs: must be 1"),
        (['--trainer.callbacks=[{"class_path": "Curriculum"}]'], "data.stages.short.overlong: needs Overlong in"),
        (["--config=nosuch.yaml"], "config: File does not exist"),
        (["--data.template.end=<|im_ends|>"], "data.template.end: '<|im_ends|>' is no token of the tokenizer, which"),
        (["--data.template.layout=hello"], "template.layout: has no {user}"),
        (["--model.backbone.config.vocab_size=200"], "bytes has 260 tokens, the model embeddings for 200 (vocab_size)"),
        (['--data.stages={"math/8k": {"sources": ["sums"], "steps": 1}}'], "data.stages: 'math/8k' can't be a name"),
        (["--data.stages={8: {sources: [sums], steps: 1}}"], "data.stages: 8 can't be a name: YAML reads it as int"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(debug_run, capsys, overrides, message):
    with pytest.raises(SystemExit) as exit_:
        debug_run(*overrides)
    assert exit_.value.code == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(error) == 1
    assert message in error[0]


def test_help_tells_of_every_verb(capsys):
    run.main(["--help"])
    told = capsys.readouterr().out
    rows = told.splitlines()[2:-1]
    assert [row.split()[0] for row in rows] == list(VERBS)  # a line each
    assert rows[3].rstrip() == " fit        Train a model, by SFT or by GRPO in stages."


@pytest.mark.parametrize("words", [["nosuch", "--config=conf/debug.yaml"], []])
def test_a_verb_that_is_not_there(capsys, words):
    with pytest.raises(SystemExit) as exit_:
        run.main(words)
    assert exit_.value.code == 2
    name = words[0] if words else "verb"
    assert capsys.readouterr().err.startswith(
        f"error: {name}: no such verb; there are calibrate, compare, curate, fit,"
    )


@pytest.mark.parametrize(("given", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "active"}, "ACTIVE")])
def test_threads_that_wait_sleep_where_nothing_else_is_said(given, policy):
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    code = "import run; run.main(['--help']); import torch"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"OMP_DISPLAY_ENV": "true"} | given,
        capture_output=True,
        text=True,
    )
    assert f"OMP_WAIT_POLICY = '{policy}'" in done.stderr  # what OpenMP's library read when torch loaded it


@pytest.mark.parametrize(("typo", "verb"), [("fti", "fit"), ("prefligth", "preflight"), ("scroe", "score")])
def test_a_typo_is_answered_with_the_nearest_verb(capsys, typo, verb):
    with pytest.raises(SystemExit):
        run.main([typo, "--config=conf/debug.yaml"])
    assert f"error: {typo}: no such verb; did you mean {verb}? There are calibrate," in capsys.readouterr().err


@pytest.mark.slow
def test_a_mistake_shows_no_traceback():
    done = subprocess.run([sys.executable, "run.py", "fit", "--config=nosuch.yaml"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: config: File does not exist")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "can't be read"),
        ([{"problem": "1+1"}], "has no column 'answer'"),
        (
            [{"problem": "1+1", "answer": "2"}, {"problem": "2", "answer": None}],
            "1 of 2 rows can't be used: bad/1 (no answer)",
        ),
        ([{"problem": "1+1", "answer": r"\frac{1}{"}], "bad/0 (unparsable answer"),
        ([{"problem": "1+" * 50, "answer": "3"}], "bad/0 (a prompt of 102 tokens where 56 fit"),
    ],
)
def test_bad_data_is_one_line_and_status_2(debug_run, tmp_path, capsys, rows, message):
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    overlay = tmp_path / "overlay.yaml"
    sums = {"arithmetic": {"levels": [1], "size": 8}}
    sources = {"bad": {"path": str(tmp_path / "rows.jsonl")}, "sums": sums, "heldout": sums}
    overlay.write_text(json.dumps({"data": {"init_args": {"sources": sources}}}))
    with pytest.raises(SystemExit) as exit_:
        debug_run(f"--config={overlay}", "--data.stages.short.sources=[bad]")
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_sft_learns_and_its_export_feeds_rl(tmp_path):
    """The quickstart in small: SFT lowers the loss, RL starts from its export."""
    logger = ["--trainer.logger.save_dir", str(tmp_path)]
    sizes = [f"--data.sources.{name}.size=320" for name in ("worked.arithmetic", "programs.programs")]
    small = [*sizes, "--trainer.max_epochs=2"]
    run.main(["fit", "--config=conf/quickstart/sft.yaml", *logger, *small])
    loss = json.loads((tmp_path / "sft/summary.json").read_text())["stages"]["sft"]["policy/loss"]
    assert loss["first"] > 5
    assert loss["last"] < 3.5
    assert [step for step, _ in read_curves(tmp_path / "sft")["eval/heldout/loss"]] == [9, 19]

    short = [
        f"--data.stages.{name}.steps=1" for name in ("math_24", "math_32", "math_40", "code_40", "code_48", "math_48")
    ]
    short += [f"--data.sources.{name}.size=16" for name in ("heldout.arithmetic", "heldout_code.programs")]
    pretrained = ["--model.pretrained", str(tmp_path / "sft/export")]
    run.main(["fit", "--config=conf/quickstart/rl.yaml", *logger, *short, *pretrained])
    assert len(json.loads((tmp_path / "rl/summary.json").read_text())["stages"]) == 6


@pytest.mark.slow
def test_stages_in_one_run_equal_two_runs_chained_through_a_checkpoint(debug_run, tmp_path):
    whole = debug_run(name="whole")
    short = {"sources": ["sums"], "steps": 4, "prompts_per_step": 8, "max_response_length": 8, "overlong": "soft"}
    first = debug_run(f"--data.stages={json.dumps({'short': short})}", name="first")
    same_weights(whole / "exports/short", first / "export")
    second = debug_run(f"--ckpt_path={first}/checkpoints/step-000004-end-of-short.ckpt", name="second")
    same_weights(whole / "export", second / "export")
    assert metrics(second, since=4) == metrics(whole, since=4)


@pytest.mark.slow
def test_a_profiler_names_the_parts_of_a_step(debug_run, tmp_path):
    where = [f"--trainer.profiler.dirpath={tmp_path}", "--trainer.profiler.filename=split"]
    debug_run("--trainer.profiler=SimpleProfiler", *where)
    (report,) = tmp_path.glob("*split*")
    for name in ("rollout", "reward", "pack", "forward", "backward", "optimizer", "sync"):
        assert f"[acereason]{name} " in report.read_text()
