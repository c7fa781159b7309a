"""The verb as people call it: what is redone, what a kill leaves, and what it says of mistakes."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest
import yaml

import run
from acereason.common.locks import locked
from acereason.data.problems import Source
from acereason.rewards.code.formats import parse_tests
from tests.support.curations import curated, dropped, fingerprint, rows_of, write_config, write_rows, write_shards
from tests.support.killed_runs import ONE_THREAD
from tests.support.limits import HANG

STAGES = ["read", "deduplicate", "decontaminate", "filter", "responses", "verify", "balance", "version", "write"]
DYING = [sys.executable, "tests/scripts/kill_at_rename.py"]
KILLS = [
    "stages/.1-read.*",  # a stage that is complete and not in place
    "stages/.2-deduplicate.*/.examples.jsonl.*",  # in the middle of a stage
    "stages/.2-deduplicate.*",
    "stages/.3-decontaminate.*/.ngrams.jsonl.*",
    "stages/.3-decontaminate.*",
    "stages/.4-filter.*/.stage.json.*",
    "stages/.5-responses.*",
    "stages/.parts-verify-*/00000.new",  # judged, and not yet noted
    "stages/.parts-verify-*/00001.new",  # a part is done
    "stages/.6-verify.*",
    "stages/.7-balance.*/.stage.json.*",
    "stages/.8-version.*",
    ".data.*/.stage.json.*",  # all files written
    ".data.*",
    ".manifest.json.*",
    ".lengths-math.png.*",
    ".README.md.*",
]


def everything(folder, prompts=60):
    """A config in which every stage drops something; answers are what 2 n is, every seventh response is wrong."""
    rows = [{"problem": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(prompts)]
    rows += [rows[3], {"problem": "Prove that 2 is even.", "answer": ""}]
    responses = [
        {
            "id": f"m/{n}",
            "sample": k,
            "response": rf"\boxed{{{2 * n + (n % 7 == k)}}}",
            "status": None,
            "tokens": 40 * n,
        }
        for n in range(1, prompts)
        for k in range(2)
    ]
    return {
        "sources": {"m": write_rows(folder / "m.jsonl", rows)},
        "decontaminate": {"benchmarks": {"b": write_rows(folder / "b.jsonl", ["What is 5 + 5?"])}},
        "filters": {"rules": ["proofs"]},
        "responses": {"path": write_shards(folder / "shards", [row | {"status": None} for row in responses], 25)},
        "balance": {"math": {"short": 1000, "keep_short": 0.5}},
        "versions": {"v1": {"math": {"prompts": 10, "responses": 1}}, "v2": {"math": {"prompts": 30, "responses": 2}}},
    }


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return everything(tmp_path_factory.mktemp("inputs"))


def said(capsys) -> dict[str, str]:
    """{stage: what its line says}"""
    lines = capsys.readouterr().out.splitlines()
    return {line.split(":")[0]: line.split(": ", 1)[1] for line in lines if line.split(":")[0] in STAGES}


def test_each_stage_says_what_it_did(tmp_path, capsys, config):
    output = curated(tmp_path, **config)
    assert not list(output.glob("stages/.*"))
    lines = {stage: line.rpartition(",")[0] for stage, line in said(capsys).items()}
    assert list(lines) == STAGES
    assert lines["deduplicate"] == "62 -> 61 prompts (1 exact copy)"
    assert lines["decontaminate"] == "61 -> 60 prompts (1 same as a short item)"
    assert lines["filter"] == "60 -> 59 prompts (1 asks for a proof)"
    assert lines["responses"] == "118 -> 116 responses (2 of a dropped prompt)"
    assert lines["verify"].startswith("116 -> ")
    assert len(rows_of(output, "v2")) == int(lines["write"].split(" -> ")[1].split()[0])


def test_a_second_call_skips_and_a_change_redoes_what_follows(tmp_path, capsys, config):
    output = curated(tmp_path, **config)
    first = fingerprint(output)
    capsys.readouterr()
    curated(tmp_path, **config)
    assert all(line.endswith("done before") for line in said(capsys).values())
    assert fingerprint(output) == first
    curated(tmp_path, **config | {"filters": {"rules": []}})
    redone = [stage for stage, line in said(capsys).items() if not line.endswith("done before")]
    assert redone == STAGES[3:]
    curated(tmp_path, **config)
    assert fingerprint(output) == first


def test_changed_sources_and_responses_are_noticed(tmp_path, capsys):
    config = everything(tmp_path, prompts=10)
    curated(tmp_path, **config)
    capsys.readouterr()
    everything(tmp_path, prompts=10)  # the same bytes
    curated(tmp_path, **config)
    assert "done before" in said(capsys)["write"]
    fewer = [{"id": f"m/{n}", "response": rf"\boxed{{{2 * n}}}"} for n in range(1, 10)]
    write_shards(tmp_path / "shards", fewer, 25)
    curated(tmp_path, **config)
    assert [stage for stage, line in said(capsys).items() if "done before" in line] == STAGES[:4]
    write_rows(tmp_path / "b.jsonl", ["What is 1 + 1?"])
    curated(tmp_path, **config)
    assert [stage for stage, line in said(capsys).items() if "done before" in line] == STAGES[:2]
    with (tmp_path / "m.jsonl").open("a") as file:
        file.write(json.dumps({"problem": "What is new?", "answer": "1"}) + "\n")
    curated(tmp_path, **config)
    assert [stage for stage, line in said(capsys).items() if "done before" in line] == []


def test_the_number_of_processes_changes_nothing(tmp_path, config):
    one = curated(tmp_path / "one", **config)
    three = curated(tmp_path / "three", **config, workers=3)
    assert fingerprint(one) == fingerprint(three)


def killed(folder, path, pattern) -> bool:
    command = [*DYING, f"{folder}/out/{pattern}", "curate", f"--config={path}"]
    return subprocess.run(command, capture_output=True, timeout=HANG, env=ONE_THREAD).returncode == -signal.SIGKILL


def finish(path) -> None:
    command = [sys.executable, "run.py", "curate", f"--config={path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, env=ONE_THREAD)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.nightly
def test_killed_at_every_place_and_continued(tmp_path):
    config = everything(tmp_path, prompts=5100)  # two parts to judge
    path = write_config(tmp_path, **config)
    for pattern in KILLS:
        assert killed(tmp_path, path, pattern), pattern
    finish(path)
    again = write_config(tmp_path / "again", **config)
    finish(again)
    assert fingerprint(tmp_path / "out") == fingerprint(tmp_path / "again/out")


def test_the_card(tmp_path, config):
    output = curated(tmp_path, **config)
    text = (output / "README.md").read_text()
    header = yaml.safe_load(text.split("---")[1])
    assert [entry["config_name"] for entry in header["configs"]] == ["v1", "v1-math", "v2", "v2-math"]
    assert header["configs"][2]["data_files"] == ["data/v1/math-*.parquet", "data/v2/math-*.parquet"]
    count = len(rows_of(output, "v2"))
    assert f"{count:,} rows in the largest version" in text
    assert "| decontaminate | dropped prompts that share words with a benchmark | 61 | 60 prompts | 1 same as a" in text
    assert "| `what is 5 + 5` | 1 |" in text
    assert (output / "lengths-math.png").read_bytes()[:4] == b"\x89PNG"
    assert dropped(output, "filter")["m/61"][0] == "asks for a proof"


def test_the_card_lists_the_phrases_that_do_not_count(tmp_path, config):
    allow = ["what is the sum of all possible values of", "find the number of positive integers n such that"]
    config["decontaminate"] |= {"allow": allow}
    text = (curated(tmp_path, **config) / "README.md").read_text()
    listed = "\n".join(f"- `{phrase}`" for phrase in allow)
    assert f"<details><summary>Phrases that don't count: 2</summary>\n\n{listed}\n\n</details>" in text


def test_what_sft_reads(tmp_path, config):
    output = curated(tmp_path, **config)
    source = Source(path=str(output), config="v2-math", fields="curated")
    rows = source.rows("data.sources.a")
    problem = source.problem(rows[0], 0, "a")
    number = int(problem.id.split("/")[-1])
    assert (problem.id, problem.statement) == (f"a/m/{number}", f"What is {number} + {number}?")
    assert (problem.answer, source.solution(rows[0], problem)) == (str(2 * number), rf"\boxed{{{2 * number}}}")
    assert len(rows) == len(rows_of(output, "v2"))


def test_what_rl_reads(tmp_path):
    tests = '{"inputs": ["1"], "outputs": ["2"]}'
    rows = [{"question": "Add one.", "input_output": tests, "starter_code": "def f():"}]
    code = write_rows(tmp_path / "c.jsonl", rows) | {"fields": "taco", "task": "code"}
    output = curated(tmp_path, sources={"c": code}, balance={"code": {"keep_short": 0.0}})
    source = Source(path=str(output), config="all-code", fields="curated-code", task="code")
    (row,) = source.rows("data.sources.a")
    assert source.tests(row) == parse_tests(tests)
    assert source.problem(row, 0, "a").starter == "def f():"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": {}}, "sources: name at least one"),
        ({"workers": 0}, "workers: must be at least 1, not 0"),
        ({"sources": {"m": {"dataset": "nosuch"}}}, "sources.m.dataset: 'nosuch' is not known"),
        ({"sources": {"m": {"path": "nosuch.json"}}}, "sources.m.path: no file nosuch.json"),
        ({"verify": {"keep": ["right"]}}, "verify.keep"),
        ({"verify": {"pass_rate": [0.9, 0.1]}}, "verify.pass_rate: must be two shares in order"),
        ({"nosuch": 1}, "nosuch"),
    ],
)
def test_mistakes(tmp_path, capsys, config, change, message):
    with pytest.raises(SystemExit) as status:
        curated(tmp_path, **config | change)
    assert status.value.code == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert message in line


@pytest.mark.parametrize(
    ("rows", "change", "told"),
    [
        ([" ", ""], {}, "sources: nothing is left: 2 -> 0 prompts (2 empty)"),
        (["What is 5 + 5?"], {}, "decontaminate: nothing is left: 1 -> 0 prompts (1 same as a short item)"),
        (["Prove that 2 is even."], {}, "filters: nothing is left: 1 -> 0 prompts (1 asks for a proof)"),
        (["What is 1 + 1?"], {"id": "m/7"}, "responses: nothing is left: 1 -> 0 responses"),
        ([{"problem": "What is 1 + 1?", "answer": "3"}], {}, "verify: nothing is left: 1 -> 0 responses (1 wrong)"),
        ([{"problem": "What is 1 + 1?", "answer": "2"}], {"versions": {"v": {}}}, "versions: nothing is left: 1 -> 0"),
    ],
)
def test_a_stage_that_leaves_nothing_is_an_error_and_no_dataset(tmp_path, capsys, rows, change, told):
    response = {"id": "m/0", "response": r"\boxed{2}", "status": None} | {k: v for k, v in change.items() if k == "id"}
    config = {
        "sources": {"m": write_rows(tmp_path / "m.jsonl", rows)},
        "decontaminate": {"benchmarks": {"b": write_rows(tmp_path / "b.jsonl", ["What is 5 + 5?"])}},
        "filters": {"rules": ["proofs"]},
        "responses": {"path": write_shards(tmp_path / "shards", [response])},
    } | {key: value for key, value in change.items() if key != "id"}
    for _ in range(2):  # what is done before says it again
        with pytest.raises(SystemExit) as status:
            curated(tmp_path, **config)
        assert status.value.code == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert line.startswith(f"error: {told}"), line
        assert not {"data", "manifest.json", "README.md"} & {path.name for path in (tmp_path / "out").iterdir()}


def test_a_folder_with_other_data_is_left_alone(tmp_path, capsys, config):
    (tmp_path / "out/data").mkdir(parents=True)
    (tmp_path / "out/data/mine.txt").touch()
    (tmp_path / "out/.mine.yaml").touch()
    with pytest.raises(SystemExit):
        curated(tmp_path, **config)
    assert "data exists, and curate did not make it; name another folder" in capsys.readouterr().err
    (tmp_path / "out/data/mine.txt").unlink()
    (tmp_path / "out/data").rmdir()
    curated(tmp_path, **config)
    assert (tmp_path / "out/.mine.yaml").exists()


def test_a_column_that_is_not_there(tmp_path, capsys, config):
    source = config["sources"]["m"] | {"fields": "gsm8k"}
    with pytest.raises(SystemExit):
        curated(tmp_path, **config | {"sources": {"m": source}})
    assert "sources.m.fields: " in (error := capsys.readouterr().err)
    assert "has no column 'question'; its columns are ['answer', 'problem']" in error


def test_a_second_curation_at_once_is_refused_and_leaves_the_first_alone(tmp_path, capsys):
    path = write_config(tmp_path, sources={"own": write_rows(tmp_path / "rows.jsonl", ["What is 1+1?"])})
    with locked(tmp_path / "out", "output"), pytest.raises(SystemExit) as exit_:
        run.main(["curate", f"--config={path}"])
    assert exit_.value.code == 2
    assert re.match(rf"error: output: process {os.getpid()} on .* is writing into .*out; wait", capsys.readouterr().err)
    assert list((tmp_path / "out").iterdir()) == []
