"""Whole studies of a stand-in for run.py; those of run.py itself are in tests/test_studies.py."""

import json
import multiprocessing
from pathlib import Path

import pytest

from acereason.common.errors import UserError
from acereason.verbs.studies.claims import Claim
from acereason.verbs.studies.measures import Measure
from acereason.verbs.studies.plan import StudyStep
from acereason.verbs.studies.verb import study
from tests.support.made_study import config, program  # noqa: F401

MEASURES = {
    "accuracy": Measure("test", "avg", "sums"),
    "passes": Measure("test", "pass_at_k", "sums"),
    "length": Measure("rl", "length", at=[1, "end"], over=2),
}


def made(place: Path, seeds: list[int], **changes) -> None:
    file = config(place)
    steps = [StudyStep("rl", "fit", file), StudyStep("test", "test", file, ["--model.pretrained={rl}"])]
    arms = {"small": {"rl": ["--size=1"]}, "large": {"rl": ["--size=4"]}}
    claim = Claim("Size helps.", "accuracy", {"large": 1, "small": -1}, 1.0, "+2 points (4.5).")
    settings = {"steps": steps, "arms": arms, "measures": MEASURES, "claims": [claim], "folder": str(place / "out")}
    study("Does size help?", seeds=seeds, **(settings | changes))


def test_a_study_from_its_runs_to_its_page(tmp_path, program, capfd):  # noqa: F811
    made(tmp_path, [0, 1, 2, 3, 4])
    assert len(program()) == 20
    values = json.loads((tmp_path / "out/results.json").read_text())
    accuracy = values["accuracy"]["end"]
    differences = {seed: accuracy["large"][seed] - accuracy["small"][seed] for seed in accuracy["small"]}
    assert differences == pytest.approx(dict.fromkeys("01234", 3.0))  # points: the seeds' luck cancels out
    assert values["passes"]["k=2"]["large"]["0"] == pytest.approx(2 * accuracy["large"]["0"])
    # lengths are size * step + seed: the means of steps 0 and 1, and of steps 2 and 3
    assert values["length"]["1"]["small"] == {str(seed): 0.5 + seed for seed in range(5)}
    assert values["length"]["end"]["large"] == {str(seed): 10.0 + seed for seed in range(5)}
    text = (tmp_path / "out/report/report.md").read_text()
    assert "Shows: Size helps. Here +3.00 points (95 % interval +3.00 to +3.00, 5 seeds), 1 point would count" in text
    assert "| moment | large - small |\n| --- | --- |\n| end | +3.00 (+3.00 to +3.00) |" in text
    page = (tmp_path / "out/report/report.html").read_text()
    assert "<h1>Does size help?</h1>" in page
    assert "Shows: Size helps." in capfd.readouterr().out


def test_a_finished_run_is_never_repeated_and_more_seeds_add_theirs(tmp_path, program, capfd):  # noqa: F811
    made(tmp_path, [0])
    before = (tmp_path / "out/report/report.md").read_bytes()
    made(tmp_path, [0])
    assert len(program()) == 4
    assert (tmp_path / "out/report/report.md").read_bytes() == before
    capfd.readouterr()
    made(tmp_path, [0, 1])
    assert len(program()) == 8
    told = capfd.readouterr().out
    assert "study: 8 runs; 4 of 8 finished, about 0 minutes one after the other, about 0 MB of disk; left: 4," in told


def test_the_cost_is_told_before_anything_runs(tmp_path, program, capfd):  # noqa: F811
    file = config(tmp_path)
    step = StudyStep("rl", "fit", file, minutes=3, megabytes=20)
    made(tmp_path, [0, 1], steps=[step], measures={"length": Measure("rl", "length")}, claims=[], plan_only=True)
    told = "4 runs; 0 of 4 finished; left: 4, about 12 minutes one after the other, about 80 MB of disk"
    assert told in capfd.readouterr().out
    made(tmp_path, [0], plan_only=True)
    assert "an unknown number of minutes" in capfd.readouterr().out
    assert program() == []
    assert not (tmp_path / "out").exists()


def test_the_cost_of_finished_runs_is_told_and_foretells_that_of_the_others(tmp_path, program, capfd):  # noqa: F811
    made(tmp_path, [0, 1])
    for path, minutes in zip(sorted((tmp_path / "out/jobs").glob("rl-*/done.json")), (4, 6, 8, None), strict=True):
        # why: a run that was resumed has no minutes, and counts as one like the others
        path.write_text(json.dumps({"step": "rl", "minutes": minutes, "bytes": 50_000_000}))
    for path in (tmp_path / "out/jobs").glob("test-*/done.json"):
        path.write_text(json.dumps({"step": "test", "minutes": 1, "bytes": 0}))
    capfd.readouterr()
    made(tmp_path, [0, 1, 2], plan_only=True)
    told = "12 runs; 8 of 12 finished, about 28 minutes one after the other, about 200 MB of disk; left: 4, about 14 "
    assert told in capfd.readouterr().out


def test_a_failed_run_is_named_and_tried_again_by_the_next_call(tmp_path, program):  # noqa: F811
    arms = {"a": {"rl": ["--fail=1"]}}
    with pytest.raises(UserError, match=r"step rl-\w+ failed with status 3; its log is .*/jobs/rl-\w+/log"):
        made(tmp_path, [0], arms=arms, claims=[])
    made(tmp_path, [0], arms=arms, claims=[])
    assert len(program()) == 3


def test_two_processes_on_one_folder_do_each_run_once(tmp_path, program, monkeypatch):  # noqa: F811
    monkeypatch.setattr("acereason.verbs.studies.work._POLL_SECONDS", 0.05)
    arms = {name: {"rl": [f"--size={size}", "--seconds=0.3"]} for size, name in enumerate("abc")}
    config(tmp_path)
    settings = {"arms": arms, "claims": [], "measures": {"length": MEASURES["length"]}}
    other = multiprocessing.get_context("fork").Process(target=made, args=(tmp_path, [0, 1]), kwargs=settings)
    other.start()
    made(tmp_path, [0, 1], **settings)
    other.join()
    assert other.exitcode == 0
    calls = program()
    assert len(calls) == 12
    assert len({tuple(call) for call in calls}) == 12


def test_studies_that_share_their_runs_folder_do_equal_runs_once(tmp_path, program, capfd):  # noqa: F811
    common = str(tmp_path / "common")
    made(tmp_path, [0, 1], runs=common)
    assert len(program()) == 8
    small = {"small": {"rl": ["--size=1"]}, "huge": {"rl": ["--size=9"]}}
    capfd.readouterr()
    made(tmp_path, [0, 1], runs=common, folder=str(tmp_path / "other"), arms=small, claims=[])
    assert "study: 8 runs; 4 of 8 finished" in capfd.readouterr().out
    assert len(program()) == 12  # small's are there
    first, second = (json.loads((tmp_path / name / "results.json").read_text()) for name in ("out", "other"))
    assert first["accuracy"]["end"]["small"] == second["accuracy"]["end"]["small"]
    assert {path.name for path in (tmp_path / "other").iterdir()} == {"results.json", "report"}
    with pytest.raises(UserError, match=r"runs: .*config\.yaml is a file"):
        made(tmp_path, [0], runs=str(tmp_path / "config.yaml"))


def test_mistakes(tmp_path, program):  # noqa: F811
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").touch()
    with pytest.raises(UserError, match=r"folder: .*out holds what is no study's: thesis\.tex"):
        made(tmp_path, [0])
    (tmp_path / "out/thesis.tex").unlink()
    with pytest.raises(UserError, match="measures.x.step: no step sft; there are"):
        made(tmp_path, [0], measures={"x": Measure("sft", "a")}, claims=[])
    with pytest.raises(UserError, match="measures.x.benchmark: a measure of `test` needs one"):
        made(tmp_path, [0], measures={"x": Measure("test", "avg")}, claims=[])
    with pytest.raises(UserError, match=r"measures.x.value: rl-\w+ has logged no lenght; did you mean length\?"):
        made(tmp_path, [0], measures={"x": Measure("rl", "lenght")}, claims=[])
    with pytest.raises(UserError, match=r"measures.x.benchmark: no sum; there are sums"):
        made(tmp_path, [0], measures={"x": Measure("test", "avg", "sum")}, claims=[])
    with pytest.raises(UserError, match=r"measures.x.value: the results of sums have no pass@8; did you mean pass@"):
        made(tmp_path, [0], measures={"x": Measure("test", "pass@8", "sums")}, claims=[])


def test_what_no_run_has_is_told_after_the_first_run(tmp_path, program):  # noqa: F811
    with pytest.raises(UserError, match=r"measures.x.value: rl-\w+ has logged no lenght; did you mean length\?"):
        made(tmp_path, [0, 1], measures={"x": Measure("rl", "lenght")}, claims=[])
    assert len(program()) == 1
    with pytest.raises(UserError, match=r"measures.x.value: the results of sums have no avrg; did you mean avg\?"):
        made(tmp_path, [0, 1], measures={"x": Measure("test", "avrg", "sums")}, claims=[])
    assert [call[0] for call in program()] == ["fit", "test"]


def test_a_value_that_a_result_has_no_samples_for_is_left_out_and_told(tmp_path, program):  # noqa: F811
    made(tmp_path, [0, 1], measures={"x": Measure("test", "avg", "sums")}, claims=[])
    path = sorted((tmp_path / "out/runs").glob("test-*/results.json"))[0]
    results = json.loads(path.read_text())
    results["benchmarks"]["sums"]["avg"] = None  # the verifier failed on every sample
    path.write_text(json.dumps(results))
    made(tmp_path, [0, 1], measures={"x": Measure("test", "avg", "sums")}, claims=[])
    values = json.loads((tmp_path / "out/results.json").read_text())["x"]["end"]
    assert sorted(map(len, values.values())) == [1, 2]
    assert "(seeds: 1)" in (tmp_path / "out/report/report.md").read_text()
