"""The verb, on a served teacher and on the embedded engine: kills, failures, changed configs, bytes."""

import json
import multiprocessing
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import run
from acereason.common.journal import Journal
from acereason.common.seeds import derive_seed
from acereason.data.loading import read_problems
from acereason.data.problems import Source
from acereason.models.exports import export
from tests.support.fakes import TOKENIZER, problem, tiny_qwen
from tests.support.killed_runs import ONE_THREAD
from tests.support.limits import HANG
from tests.support.openai_server import TeacherServer

SUMS = {"arithmetic": {"levels": [1, 2], "size": 24}}
NAMES = [
    "id",
    "sample",
    "task",
    "statement",
    "starter",
    "response",
    "status",
    "detail",
    "tokens",
    "finish_reason",
    "seed",
]


def arguments(output: Path, **values) -> list[str]:
    """The verb's command line."""
    defaults = {
        "sources": {"sums": SUMS},
        "output": str(output),
        "samples": 2,
        "template": {"math": "{statement}=", "layout": "{user}\n"},
        "rewards.workers": 1,
    }
    texts = {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in (defaults | values).items()
    }
    return ["predict", *(f"--{name}={text}" for name, text in texts.items())]


def served(server: TeacherServer, **values) -> dict:
    return {"server": {"url": server.url, "model": "teacher", "concurrency": 4, "retries": 0, "timeout": 60} | values}


def shards(output: Path) -> dict[str, bytes]:
    return {str(path.relative_to(output)): path.read_bytes() for path in sorted(output.glob("*/*.parquet"))}


def rows(output: Path) -> list[dict]:
    return [row for path in sorted(output.glob("*/*.parquet")) for row in pq.read_table(path).to_pylist()]


def journal(output: Path) -> list[dict]:
    """The whole lines of its journals."""
    data = b"".join(path.read_bytes() for path in sorted(output.glob("*.journal.jsonl")))
    return [json.loads(line) for line in data.split(b"\n") if line.endswith(b"}")]


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("teacher") / "model"
    export(tiny_qwen(), TOKENIZER, folder, is_writer=True)
    return folder


def local(pretrained: Path, max_rows: int = 5) -> dict:
    engine = {"class_path": "HFEngine", "init_args": {"max_rows": max_rows}}
    return {
        "engine": {"pretrained": str(pretrained), "engine": engine},
        "sampling": {"temperature": 1.0, "max_response_length": 12},
    }


def test_rows_are_sorted_and_hold_all_columns(serve, tmp_path, capsys):
    server = serve(delay=0.02)
    run.main(arguments(tmp_path / "out", **served(server), rows_per_shard=20))
    found = rows(tmp_path / "out")
    assert [len(pq.read_table(path)) for path in sorted(tmp_path.glob("out/*/*.parquet"))] == [20, 20, 8]
    assert [(row["id"], row["sample"]) for row in found] == sorted((row["id"], row["sample"]) for row in found)
    for row in found:
        assert list(row) == NAMES
        first, second = row["statement"].split("+")
        assert row["id"] == f"sums/{row['statement']}"
        assert row["seed"] == derive_seed(0, f"{row['id']}#{row['sample']}", 0)
        value = int(first) + int(second) + row["seed"] % 2
        assert row["response"] == rf"{row['statement']}=\boxed{{{value}}}"
        assert row["tokens"] == len(row["response"])
        assert row["status"] == ("wrong" if row["seed"] % 2 else "correct")
        assert json.loads(row["detail"])["extracted"] == str(value)
        assert (row["task"], row["starter"], row["finish_reason"]) == ("math", "", "stop")
    said = capsys.readouterr().out
    assert "48 of 48 responses" in said
    assert f"{sum(row['status'] == 'correct' for row in found)} correct" in said


def test_problems_have_their_pass_rates_by_all_their_samples(pretrained, tmp_path):
    output = tmp_path / "out"
    run.main(arguments(output, **local(pretrained), samples=3))
    (path,) = output.glob("*.problems.jsonl")
    found = {row["id"]: row for row in map(json.loads, path.read_text().splitlines())}
    assert len(found) == 24
    for name, rated in found.items():
        mine = [row for row in rows(output) if row["id"] == name]
        rate = sum(row["status"] == "correct" for row in mine) / 3
        assert (rated["judged"], rated["pass_rate"], rated["difficulty"]) == (3, rate, pytest.approx(1 - rate))
        assert rated["mean_tokens"] == sum(row["tokens"] for row in mine) / 3
    problems, bad = read_problems(Source(f"{output}/*.problems.jsonl", "rated"), "rl", "rl", tests=True)
    assert not bad
    for each in problems:
        assert each.difficulty == found[each.id.removeprefix("rl/")]["difficulty"]
        assert each.answer == str(sum(map(int, each.statement.split("+"))))


def test_a_second_call_asks_nothing_and_changes_nothing(serve, tmp_path):
    server = serve()
    run.main(arguments(tmp_path / "out", **served(server)))
    before, stamps = shards(tmp_path / "out"), [path.stat().st_mtime_ns for path in tmp_path.glob("out/*/*")]
    run.main(arguments(tmp_path / "out", **served(server)))
    assert shards(tmp_path / "out") == before
    assert [path.stat().st_mtime_ns for path in tmp_path.glob("out/*/*")] == stamps
    assert set(server.asked.values()) == {1}


def kept(output: Path) -> set[tuple[str, int]]:
    """(prompt, seed) of the responses that a killed run has left."""
    lines = [row for row in journal(output) if row["kind"] == "response"]
    return {(row["id"].removeprefix("sums/") + "=", derive_seed(0, f"{row['id']}#{row['sample']}", 0)) for row in lines}


def killed_after(lines: int, output: Path, command: list[str]) -> bool:
    """Run the verb in a process of its own until the journal has grown by so many lines; whether it was still running
    when it was killed."""
    process = multiprocessing.get_context("fork").Process(target=run.main, args=(command,))
    end = len(journal(output)) + lines
    process.start()
    while process.is_alive() and len(journal(output)) < end:
        time.sleep(0.005)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("seed", [0, 1])
def test_killed_at_random_it_loses_nothing_and_asks_nothing_twice(serve, tmp_path, seed):
    whole, killed, output, generator = serve(), serve(delay=0.1), tmp_path / "killed", random.Random(seed)
    run.main(arguments(tmp_path / "whole", **served(whole)))
    command, settled, kills = arguments(output, **served(killed)), {}, 0
    while killed_after(generator.randrange(8, 36), output, command):
        kills += 1
        settled |= {key: killed.asked[key] for key in kept(output) - settled.keys()}
    run.main(command)
    assert kills >= 3
    assert shards(output) == shards(tmp_path / "whole")
    assert {key: killed.asked[key] for key in settled} == settled
    assert killed.asked.keys() == whole.asked.keys()
    assert sum(killed.asked.values()) <= 48 + 4 * kills  # what was under way is all that is asked again


def test_a_journal_cut_at_any_byte_ends_in_the_same_shards(pretrained, tmp_path, capsys):
    """Whatever a kill or a loss of power leaves; with the embedded engine, whose batches then are others."""
    whole = tmp_path / "whole"
    run.main(arguments(whole, **local(pretrained)))
    expected = shards(whole)
    (path,) = whole.glob("*.journal.jsonl")
    data, generator = path.read_bytes(), random.Random(3)
    for cut in [*generator.sample(range(len(data)), 4), len(data) - 1]:
        path.write_bytes(data[:cut])
        run.main(arguments(whole, **local(pretrained, max_rows=3)))
        assert shards(whole) == expected


def test_more_samples_are_added_to_those_that_are_there(pretrained, tmp_path):
    run.main(arguments(tmp_path / "grown", **local(pretrained), samples=1))
    first = {(row["id"], row["sample"]): row for row in rows(tmp_path / "grown")}
    for name in ("grown", "whole"):
        run.main(arguments(tmp_path / name, **local(pretrained), samples=3))
    assert shards(tmp_path / "grown") == shards(tmp_path / "whole")
    found = {(row["id"], row["sample"]): row for row in rows(tmp_path / "whole")}
    assert len(found) == 72
    assert {key: found[key] for key in first} == first


def test_a_limit_that_grows_moves_no_prompt_to_another_process(serve, tmp_path):
    server = serve()
    for limit in (3, 10):
        sources = {"a": SUMS | {"limit": limit}, "b": {"arithmetic": {"levels": [3], "size": 9}}}
        for part in range(2):
            run.main(arguments(tmp_path / "out", **served(server), sources=sources, shard=f"{part}/2"))
    assert set(server.asked.values()) == {1}
    assert len(rows(tmp_path / "out")) == 2 * (10 + 9)


def test_processes_share_the_prompts(pretrained, tmp_path):
    for part in range(3):
        run.main(arguments(tmp_path / "parts", **local(pretrained), shard=f"{part}/3"))
    run.main(arguments(tmp_path / "whole", **local(pretrained)))
    found = sorted(rows(tmp_path / "parts"), key=lambda row: (row["id"], row["sample"]))
    assert found == rows(tmp_path / "whole")
    sizes = [sum(pq.read_metadata(p).num_rows for p in tmp_path.glob(f"parts/{k:05}*/*.parquet")) for k in range(3)]
    assert sizes == [16, 16, 16]


def test_failed_requests_are_listed_and_asked_again(serve, tmp_path, capsys):
    server = serve(lambda body, asked: "500" if body["seed"] % 5 == 0 and asked == 1 else None)
    with pytest.raises(SystemExit) as exit_:
        run.main(arguments(tmp_path / "out", **served(server)))
    assert exit_.value.code == 1
    listed = [json.loads(line) for line in next(tmp_path.glob("out/*.failed.jsonl")).read_text().splitlines()]
    failed = {(row["id"], row["sample"]) for row in listed}
    assert failed == {key for key in failed if derive_seed(0, f"{key[0]}#{key[1]}", 0) % 5 == 0} != set()
    assert {row["reason"] for row in listed} == {"Error code: 500 - made up 500"}
    assert len(rows(tmp_path / "out")) == 48 - len(failed)
    assert f"{len(failed)} requests failed, first " in capsys.readouterr().err
    run.main(arguments(tmp_path / "out", **served(server)))
    assert sum(server.asked.values()) == 48 + len(failed)
    assert len(rows(tmp_path / "out")) == 48
    assert not list(tmp_path.glob("out/*.failed.jsonl"))


CHANGES = [
    ({"sampling": {"temperature": 0.7}}, "sampling.temperature was 0.6, now 0.7"),
    ({"template": {"system": "x"}}, "template.system was "),
    ({"seed": "1"}, "seed was 0, now 1"),
    ({"shard": "0/2"}, "shards was 1, now 2"),
    ({"sources": {"sums": {"arithmetic": {"levels": [1, 2], "size": 25}}}}, "sources.sums.arithmetic.size was 24"),
    ({"rewards.math.parts": "all"}, "rewards.math.parts was 'last', now 'all'"),
    ({"server.model": "other"}, "teacher.model was 'teacher', now 'other'"),
    ({"server.endpoint": "completions"}, "teacher.endpoint was 'chat', now 'completions'"),
]


def test_a_changed_config_is_refused_in_one_line(serve, tmp_path, capsys):
    server = serve()
    run.main(arguments(tmp_path / "out", **served(server)))
    for changed, told in CHANGES:
        with pytest.raises(SystemExit):
            run.main(arguments(tmp_path / "out", **served(server) | changed))
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert f"{tmp_path}/out was started with other settings: " in line
        assert told in line
    assert sum(server.asked.values()) == 48


def test_another_problem_under_the_same_id_is_refused(serve, tmp_path, capsys):
    server, file = serve(), tmp_path / "rows.jsonl"
    given = served(server) | {"sources": {"mine": {"path": str(file)}}}
    file.write_text('{"problem": "1+1", "answer": "2"}\n')
    run.main(arguments(tmp_path / "out", **given))
    file.write_text('{"problem": "2+2", "answer": "4"}\n')
    with pytest.raises(SystemExit):
        run.main(arguments(tmp_path / "out", **given))
    assert "mine/0 is not the problem that it was when its response 0 was sampled" in capsys.readouterr().err


def test_without_ground_truth_there_is_no_verdict(serve, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"category": "math", "input": "1+1", "output": ""}\n')
    sources = {"mine": {"path": str(tmp_path / "rows.jsonl"), "fields": "acereason-sft"}}
    run.main(arguments(tmp_path / "out", **served(serve()), sources=sources, samples=1))
    (row,) = rows(tmp_path / "out")
    assert (row["status"], row["detail"]) == (None, None)


def test_a_verifier_that_fails_is_an_error(serve, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"problem": "1+1", "answer": "\\\\frac{"}\n')
    sources = {"mine": {"path": str(tmp_path / "rows.jsonl")}}
    run.main(arguments(tmp_path / "out", **served(serve()), sources=sources, samples=1))
    (row,) = rows(tmp_path / "out")
    assert row["status"] == "error"
    assert "unparsable answer" in json.loads(row["detail"])["error"]


def test_verdicts_that_a_kill_took_are_made_again(serve, tmp_path):
    server, output = serve(), tmp_path / "out"
    run.main(arguments(output, **served(server)))
    expected = shards(output)
    (path,) = output.glob("*.journal.jsonl")
    path.write_text("".join(json.dumps(row) + "\n" for row in journal(output) if row["kind"] == "response"))
    shutil.rmtree(output / "00000-of-00001")
    run.main(arguments(output, **served(server)))
    assert shards(output) == expected
    assert set(server.asked.values()) == {1}


def test_two_processes_with_the_same_part_do_not_mix(serve, tmp_path, capsys):
    server = serve()
    run.main(arguments(tmp_path / "out", **served(server)))
    held = Journal(next(tmp_path.glob("out/*.journal.jsonl")), "taken")
    with pytest.raises(SystemExit):
        run.main(arguments(tmp_path / "out", **served(server)))
    assert "another process writes" in capsys.readouterr().err
    held.close()


def test_a_damaged_line_is_named(serve, tmp_path, capsys):
    server = serve()
    run.main(arguments(tmp_path / "out", **served(server)))
    (path,) = tmp_path.glob("out/*.journal.jsonl")
    path.write_bytes(b'{"kind": "response"}\n' + path.read_bytes())
    with pytest.raises(SystemExit):
        run.main(arguments(tmp_path / "out", **served(server)))
    assert "journal.jsonl, line 1: a damaged line ('id')" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "server, engine: give one of them"),
        ({"server": {"url": "http://127.0.0.1:9/v1", "model": "m", "retries": 0}}, "server.url: http://127."),
        ({"server": {"url": "x", "model": "m"}}, "server.url: x can't be reached: "),
        (
            {"server": {"url": "x", "model": "m", "concurrency": 0}},
            "server.concurrency must be 1 to 1000, not 0",
        ),
        (
            {"server": {"url": "x", "model": "m", "api_key_env": "NO_SUCH"}},
            "server.api_key_env: the environment variable",
        ),
        ({"server": {"url": "x", "model": "m"}, "shard": "8/8"}, "shard: must be like 0/8"),
        ({"server": {"url": "x", "model": "m"}, "samples": 0}, "samples, rows_per_shard: must be at least 1"),
        ({"engine": {"pretrained": "/nosuch", "engine": {"class_path": "HFEngine"}}}, "engine.pretrained: '/nosuch'"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capsys, values, message):
    with pytest.raises(SystemExit) as exit_:
        run.main(arguments(tmp_path / "out", **values))
    assert exit_.value.code == 2
    assert f"error: {message}" in capsys.readouterr().err


def test_ids_that_are_not_unique_are_refused(serve, tmp_path, capsys):
    (tmp_path / "rows.jsonl").write_text('{"problem": "1+1", "answer": "2", "name": "a"}\n' * 2)
    sources = {"mine": {"path": str(tmp_path / "rows.jsonl"), "fields": {"id": "name"}}}
    with pytest.raises(SystemExit):
        run.main(arguments(tmp_path / "out", **served(serve()), sources=sources))
    assert "sources.mine: two rows with the id mine/a; name another column in fields.id" in capsys.readouterr().err


def test_a_prompt_beyond_the_context_fails_and_the_others_do_not(pretrained, tmp_path, capsys):
    lines = [json.dumps({"problem": statement, "answer": "2"}) + "\n" for statement in ("1+1", "1+" * 80 + "1")]
    (tmp_path / "rows.jsonl").write_text("".join(lines))
    sources = {"mine": {"path": str(tmp_path / "rows.jsonl")}}
    with pytest.raises(SystemExit):
        run.main(arguments(tmp_path / "out", **local(pretrained), sources=sources))
    assert [row["id"] for row in rows(tmp_path / "out")] == ["mine/0", "mine/0"]
    assert "mine/1, sample 0: a prompt of 163 tokens where 116 fit beside the response" in capsys.readouterr().err


def dies_at(pattern: str, command: list[str]) -> bool:
    """Run the verb in a process of its own until it is about to rename a path, half written; whether it was."""
    dying = [sys.executable, "tests/scripts/kill_at_rename.py", pattern, *command]
    return subprocess.run(dying, capture_output=True, env=ONE_THREAD, timeout=HANG).returncode == -signal.SIGKILL


@pytest.mark.slow
def test_killed_on_every_write_with_the_embedded_engine(pretrained, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run.main(arguments(whole, **local(pretrained)))
    command = arguments(killed, **local(pretrained, max_rows=7))
    assert dies_at(f"{killed}/.config.json.*", command)
    assert dies_at(f"{killed}/.00000-of-00001.*", command)
    assert list(killed.glob(".00000-of-00001.*"))  # what it left
    run.main(command)
    assert shards(killed) == shards(whole)
    assert not list(killed.glob(".0*"))


@pytest.mark.nightly
def test_killed_at_random_moments_of_the_embedded_engine(pretrained, tmp_path):
    whole, killed, generator = tmp_path / "whole", tmp_path / "killed", random.Random(0)
    many = {"sources": {"sums": {"arithmetic": {"levels": [2], "size": 400}}}}
    run.main(arguments(whole, **local(pretrained) | many))
    command = [sys.executable, "run.py", *arguments(killed, **local(pretrained, max_rows=3) | many)]
    for share in sorted(generator.uniform(0, 0.9) for _ in range(4)):
        with subprocess.Popen(command, env=ONE_THREAD, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and len(journal(killed)) < 1600 * share:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
    run.main(arguments(killed, **local(pretrained) | many))
    assert shards(killed) == shards(whole)
    lines = [(row["kind"], row["id"], row["sample"]) for row in journal(killed)]
    assert len(lines) == len(set(lines)) == 1600  # nothing was generated, or judged, twice


@pytest.mark.vllm
def test_vllm_is_a_teacher_too(pretrained, tmp_path):
    given = local(pretrained)
    given["engine"]["engine"] = {"class_path": "VLLMEngine", "init_args": {"cache_gib": 0.25}}
    run.main(arguments(tmp_path / "whole", **given))
    assert len(rows(tmp_path / "whole")) == 48
    run.main(arguments(tmp_path / "again", **given, samples=1))
    run.main(arguments(tmp_path / "again", **given, samples=2))
    assert rows(tmp_path / "again") == rows(tmp_path / "whole")


def test_half_a_surrogate_pair_costs_no_row(serve, tmp_path, monkeypatch):
    """In a response, an id, a statement, and in what the verifier says."""
    whole = problem("1+1", "2", "m/a\ud83d")
    problems = [whole, replace(whole, id="m/b", statement="\udc00|2+2", answer="4 \ud83d")]
    monkeypatch.setattr("acereason.sampling.predict.load", lambda source, name, bad_rows: problems)
    server = serve(lambda body, asked: "surrogate" if body["seed"] % 2 else None)
    run.main(arguments(tmp_path / "out", **served(server), samples=4))
    found = rows(tmp_path / "out")
    assert [row["id"] for row in found] == ["m/a\ufffd"] * 4 + ["m/b"] * 4
    assert {row["response"][-1] for row in found} == {"\ufffd", "}"}
    assert found[4]["statement"] == "\ufffd|2+2"
    assert json.loads(found[4]["detail"])
    assert {line["id"] for line in journal(tmp_path / "out")} == {"m/a\ud83d", "m/b"}
    run.main(arguments(tmp_path / "out", **served(server), samples=4))
    assert set(server.asked.values()) == {1}
