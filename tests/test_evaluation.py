"""`test` through run.py: the whole path, killed and resumed, and what it refuses."""

import json
from dataclasses import asdict

import pyarrow.parquet as pq
import pytest

import run
from acereason.common.journal import RankJournals
from acereason.common.seeds import derive_seed
from acereason.common.types import Problem, Sampling
from acereason.data.loading import read_problems
from acereason.data.problems import Source
from acereason.data.where import Range
from acereason.models.exports import export, stream_weights
from acereason.processes import distributed
from acereason.rollouts.hf import HFEngine
from acereason.sampling.samples import read_samples
from tests.support.curations import curated, rows_of
from tests.support.evaluations import CODE, ROWS, arguments, config, evaluate, finish, killed_at, replay
from tests.support.fakes import STOP_IDS, TOKENIZER, tiny_qwen
from tests.test_two_ranks import ONE, TWO


def refused(capsys, *args: str) -> str:
    """The one line of an error."""
    with pytest.raises(SystemExit) as exit_:
        run.main(list(args))
    assert exit_.value.code == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    return line


def test_the_samples_are_the_engines_and_each_has_its_seed(tmp_path):
    path = config(tmp_path)
    found = evaluate(path, tmp_path / "out")
    assert [found[name]["n"] for name in ("sums", "code")] == [4, 2]
    rows = pq.read_table(tmp_path / "out/samples/sums.parquet").to_pylist()
    assert [(row["id"], row["sample"]) for row in rows] == [(f"sums/p{i}", k) for i in range(5) for k in range(4)]
    engine, model = HFEngine(), tiny_qwen()
    engine.start(model.config, TOKENIZER, STOP_IDS, model.device, 64)
    engine.update_weights(stream_weights(model), 0)
    seed = derive_seed(0, "evaluation", "sums")
    for row in rows[:3]:
        prompt = TOKENIZER(row["prompt"], add_special_tokens=False)["input_ids"]
        problem = Problem(f"{row['id']}#{row['sample']}", "math", "", "", prompt_ids=prompt)
        (group,) = engine.generate([problem], Sampling(0.6, 12, 0.95), 1, seed)
        response = group.rollouts[0].response
        assert (response.text, len(response.token_ids)) == (row["response"], row["tokens"])
        assert (row["seed"], row["prompt"]) == (derive_seed(seed, problem.id, 0), "What is 0+0?\n")


def test_known_responses_give_known_numbers(tmp_path, capsys):
    answers = {(f"sums/p{i}", k): f"\\boxed{{{2 * i if k < i else 7}}}" for i in range(5) for k in range(4)}
    programs = {(f"code/c{i}", k): f"```python\nprint({i * k})\n```" for i in range(2) for k in range(2)}
    found = evaluate(replay(tmp_path, answers | programs), tmp_path / "out")
    sums = found["sums"]
    assert [entry["correct"] for entry in sums["problems"].values()] == [0, 1, 2, 3, 4]
    assert (sums["avg"], sums["pass_at_k"]["4"], sums["error_rate"]) == (0.5, 0.8, 0.0)
    assert sums["pass_at_k"]["2"] == pytest.approx((0 + 1 / 2 + 5 / 6 + 1 + 1) / 5)
    assert sums["majority"] == 0.6  # 2 of 4 is a tie, and the correct answer came first
    assert [entry["rate"] for entry in found["code"]["problems"].values()] == [1.0, 0.5]
    assert found["code"]["majority"] is None
    assert "| sums | 4 | 50.0 |" in (tmp_path / "out/results.md").read_text()
    assert "sums" in capsys.readouterr().out


def test_its_samples_rate_problems_by_one_measure_in_every_verb(tmp_path):
    answers = {(f"sums/p{i}", k): f"\\boxed{{{2 * i if k < i else 7}}}" for i in range(5) for k in range(4)}
    programs = {(f"code/c{i}", k): f"```python\nprint({i * k})\n```" for i in range(2) for k in range(2)}
    path = replay(tmp_path, answers | programs)
    found = evaluate(path, tmp_path / "out")
    told = {row["id"]: row for row in map(json.loads, (tmp_path / "out/problems.jsonl").read_text().splitlines())}
    benchmarks = json.loads(path.read_text())["data"]["init_args"]["benchmarks"]
    output = curated(
        tmp_path / "curation",
        sources={name: entry["source"] for name, entry in benchmarks.items()},
        deduplicate={"near": False},
        responses={"path": str(tmp_path / "out/samples"), "only_rate": True},
    )
    rated = {row["id"]: row for row in rows_of(output, "all")}
    counts = {name: entry for result in found.values() for name, entry in result["problems"].items()}
    assert rated.keys() == told.keys() == counts.keys()
    for name, entry in counts.items():
        expected = (entry["judged"], entry["rate"], 1 - entry["rate"], entry["mean_tokens"])
        for row in (rated[name], told[name]):
            assert (row["judged"], row["pass_rate"], row["difficulty"], row["mean_tokens"]) == expected

    hard = Source(str(output), "rated", config="all", where={"pass_rate": Range(most=0.5)})
    problems, bad = read_problems(hard, "s", "s", tests=True)
    assert not bad
    assert {p.id: p.difficulty for p in problems} == {
        "s/sums/p0": 1.0, "s/sums/p1": 0.75, "s/sums/p2": 0.5, "s/code/c1": 0.5,
    }  # fmt: skip
    assert [p.tests is not None for p in problems] == [False, False, False, True]
    assert [p.answer for p in problems[:3]] == ["0", "2", "4"]


def test_canonical_solutions_are_all_correct(tmp_path):
    answers = {(f"sums/{row['id']}", k): f"so \\boxed{{{row['answer']}}}" for row in ROWS for k in range(4)}
    programs = {(f"code/{row['id']}", k): f"```python\nprint({i})\n```" for i, row in enumerate(CODE) for k in range(2)}
    found = evaluate(replay(tmp_path, answers | programs), tmp_path / "out")
    assert [found[name]["avg"] for name in ("sums", "code")] == [1.0, 1.0]


def test_missing_responses_are_named(tmp_path, capsys):
    path = replay(tmp_path, {("sums/p0", k): "" for k in range(3)})
    line = refused(capsys, *arguments(path, tmp_path / "out", "--data.only=[sums]", "--data.limit=2"))
    assert "has no response to sums/p0 sample 3, sums/p1 sample 0, sums/p1 sample 1" in line


def test_resumed_from_any_part_of_the_journal_nothing_is_drawn_twice(tmp_path, monkeypatch):
    path, whole = (
        config(tmp_path, engine={"class_path": "tests.support.counting_engine.CountingEngine"}),
        tmp_path / "whole",
    )
    asked = tmp_path / "asked"
    monkeypatch.setenv("ASKED", str(asked))
    evaluate(path, whole)
    samples = {name: list(read_samples(whole / "samples", name).values()) for name in ("sums", "code")}
    for kept in (0, 7, 20):
        asked.write_text("")
        output = tmp_path / f"resumed-{kept}"
        with RankJournals(output / "samples", "sums").journal(0) as journal:
            for sample in samples["sums"][::-1][:kept]:
                journal.append(asdict(sample))
            journal.file.write(b'{"id": "sums/p0", "sam')
        (output / "samples/fingerprint.json").write_text((whole / "samples/fingerprint.json").read_text())
        evaluate(path, output)
        assert (output / "results.json").read_bytes() == (whole / "results.json").read_bytes()
        expected = {f"{s.id}#{s.sample}" for s in samples["sums"][::-1][kept:] + samples["code"]}
        assert sorted(asked.read_text().split()) == sorted(expected)


@pytest.mark.slow
def test_more_samples_and_problems_go_on_with_what_is_there(tmp_path, monkeypatch):
    path, asked = (
        config(tmp_path, engine={"class_path": "tests.support.counting_engine.CountingEngine"}),
        tmp_path / "asked",
    )
    monkeypatch.setenv("ASKED", str(asked))
    few = evaluate(path, tmp_path / "out", "--data.only=[sums]", "--data.limit=2", "--data.n=1")
    assert (few["sums"]["n"], list(few["sums"]["problems"])) == (1, ["sums/p0", "sums/p1"])
    evaluate(path, tmp_path / "out", "--data.limit=3", "--data.n=2")
    evaluate(path, tmp_path / "out")
    names = asked.read_text().split()
    assert len(names) == len(set(names)) == 24


@pytest.mark.slow
def test_another_model_or_setting_is_refused_in_one_line(tmp_path, capsys):
    path, output = config(tmp_path), tmp_path / "out"
    export(tiny_qwen(), TOKENIZER, tmp_path / "model", is_writer=True)
    overlay = tmp_path / "named.yaml"
    pretrained = {"pretrained": f"{tmp_path}/model", "backbone": {"config": None, "tokenizer": "bytes"}}
    overlay.write_text(json.dumps({"model": {"init_args": pretrained}}))
    small = [f"--config={overlay}", "--data.only=[sums]", "--data.n=1"]
    evaluate(path, output, *small)
    before = (output / "results.json").read_bytes()
    export(tiny_qwen(initializer_range=0.21), TOKENIZER, tmp_path / "model", is_writer=True)
    assert "holds samples of another model.weights" in refused(capsys, *arguments(path, output, *small))
    export(tiny_qwen(), TOKENIZER, tmp_path / "model", is_writer=True)
    for change, key in {
        "--data.benchmarks.sums.temperature=1": "benchmarks.sums.temperature: 0.6, now 1",
        "--model.rewards.math.decimals=form": "rewards.math.decimals: value, now form",
    }.items():
        assert f"another {key}" in refused(capsys, *arguments(path, output, *small, change))
    (tmp_path / "sums.jsonl").write_text(
        (tmp_path / "sums.jsonl").read_text().replace('"answer": "2"', '"answer": "3"')
    )
    assert "samples of sums/p1 with another prompt or ground truth" in refused(capsys, *arguments(path, output, *small))
    assert (output / "results.json").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("--data.only=[x]", "data.only: no 'x' under data.benchmarks; there are ['code', 'sums']"),
        ("--data.benchmarks.sums.n=0", "data.benchmarks.sums.n: must be at least 1, not 0"),
        ("--data.limit=0", "data.limit: must be at least 1, not 0"),
        ("--data.max_response_length=128", "data.benchmarks.sums.max_response_length: the model's context of 128"),
        ("--data.benchmarks.sums.source.fields.id=answer2", "has no column 'answer2'"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, capsys, change, message):
    assert message in refused(capsys, *arguments(config(tmp_path), tmp_path / "out", change))


def test_two_rows_with_one_id_are_refused(tmp_path, capsys):
    path = config(tmp_path)
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(ROWS[0]) + "\n" for _ in range(2)))
    assert "two rows with the id sums/p0" in refused(capsys, *arguments(path, tmp_path / "out"))


@pytest.mark.nightly
def test_killed_ten_times_and_resumed(tmp_path, monkeypatch):
    """The results of a run that was never killed; nothing kept is drawn again."""
    kills = 10
    path = config(
        tmp_path, engine={"class_path": "tests.support.counting_engine.CountingEngine", "init_args": {"max_rows": 2}}
    )
    monkeypatch.setenv("ASKED", str(tmp_path / "whole-asked"))
    finish(path, tmp_path / "whole")
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    monkeypatch.setenv("PAUSE", "0.02")
    seen: dict = {}
    for kill in range(kills):
        assert killed_at(1 + kill * 20 // kills, path, tmp_path / "out")
        kept = read_samples(tmp_path / "out/samples", "sums")
        assert seen.items() <= kept.items()  # as they were, to the verifier's seconds
        seen = kept
    finish(path, tmp_path / "out")
    assert (tmp_path / "out/results.json").read_bytes() == (tmp_path / "whole/results.json").read_bytes()
    assert seen.items() <= read_samples(tmp_path / "out/samples", "sums").items()
    asked = (tmp_path / "asked").read_text().split()
    assert len(asked) - 24 <= 3 * kills  # only what was on its way when the kill came


def test_the_responses_to_one_problem_are_dealt_to_all_ranks(tmp_path, monkeypatch, capsys):
    """As rank 1 of 2, which then lacks those of rank 0."""
    path = config(tmp_path, engine={"class_path": "tests.support.counting_engine.CountingEngine"})
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    assert "lacks ('sums/p0', 0)" in refused(capsys, *arguments(path, tmp_path / "out", "--data.only=[sums]"))
    expected = [f"sums/p{i}#{k}" for i in range(5) for k in (1, 3)]
    assert sorted((tmp_path / "asked").read_text().split()) == expected


@pytest.mark.slow
def test_two_ranks_give_what_one_gives(tmp_path):
    path = config(tmp_path)
    finish(path, tmp_path / "one", *ONE)
    finish(path, tmp_path / "two", *TWO)
    assert (tmp_path / "one/results.json").read_bytes() == (tmp_path / "two/results.json").read_bytes()


@pytest.mark.slow
@pytest.mark.vllm
def test_vllm_gives_the_same_samples_twice(tmp_path):
    path = config(tmp_path)
    vllm = ["--model.engine=VLLMEngine", "--model.engine.cache_gib=0.25"]
    for name in ("one", "two"):
        finish(path, tmp_path / name, *vllm)
    assert (tmp_path / "one/results.json").read_bytes() == (tmp_path / "two/results.json").read_bytes()
    rows = pq.read_table(tmp_path / "one/samples/sums.parquet")
    assert rows["response"] == pq.read_table(tmp_path / "two/samples/sums.parquet")["response"]
    assert len(rows) == 20


def test_the_config_that_it_leaves_starts_the_same_evaluation_again(tmp_path):
    output = tmp_path / "out"
    evaluate(config(tmp_path), output, "--data.only=[sums]", "--data.n=2")
    first = output.rename(tmp_path / "first")
    (tmp_path / "config.yaml").unlink()
    run.main(["test", f"--config={first / 'config.yaml'}"])
    for name in ("results.json", "results.md", "config.yaml", "samples/fingerprint.json"):
        assert (output / name).read_bytes() == (first / name).read_bytes()
    again, before = (pq.read_table(folder / "samples/sums.parquet").to_pylist() for folder in (output, first))
    assert again == before
