"""Commands in the documents: run.py takes each of them; pages that walk through something are walked through."""

import json
import re
from importlib import import_module
from pathlib import Path

import pytest

import callbacks  # noqa: F401  the YAML names them
import run
from acereason.common.errors import UserError
from acereason.common.types import Problem
from tests.support.documents import Command, blocks, check, commands, importable, pages, write_files

GSM8K, EXTENDING = Path("docs/gsm8k.md").absolute(), Path("docs/extending.md").absolute()
FOUND = [command for page in pages() for command in commands(page)]
WALKS = {GSM8K: ("## 3.", "## 5."), EXTENDING: ("## A callback", "While training it is")}
"""Parts of pages whose commands are run, not only parsed."""


def walked(page: Path, start: str, end: str) -> list[Command]:
    """The commands of a page between two texts."""
    first, last = (page.read_text().count("\n", 0, page.read_text().index(mark)) for mark in (start, end))
    return [command for command in commands(page) if first < command.line <= last]


RUN = {command.text for page, marks in WALKS.items() for command in walked(page, *marks)}
PARSED = {command.text: command for command in FOUND if command.text not in RUN}
"""Each text once."""


@pytest.mark.slow
@pytest.mark.parametrize("command", PARSED.values(), ids=PARSED)
def test_run_py_takes_the_command(command, tmp_path):
    check(command, tmp_path)


def test_commands_are_found_in_blocks_and_sentences(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "Try `python run.py score --input a.jsonl`, not `python run.py fit --config ...`.\n\n"
        "```\npip install -e . && python run.py recipe --config conf/quickstart.yaml\n"
        "python run.py fit --config conf/debug.yaml \\\n    --model.group_size 2  # two\n```\n\n"
        "    python run.py curate --config conf/curate/example.yaml\n"
    )
    assert [(found.line, found.args) for found in commands(page)] == [
        (1, ["score", "--input", "a.jsonl"]),
        (4, ["recipe", "--config", "conf/quickstart.yaml"]),
        (5, ["fit", "--config", "conf/debug.yaml", "--model.group_size", "2"]),
        (9, ["curate", "--config", "conf/curate/example.yaml"]),
    ]
    assert {command.page for command in FOUND} >= {Path("README.md"), Path("docs/gsm8k.md"), Path("docs/evaluation.md")}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("fit --config conf/debug.yaml --model.group_sise 4", "group_sise"),
        ("fit --config conf/debugg.yaml", "debugg.yaml"),
        ("fit --config conf/debug.yaml --model.group_size 1", "group_size must be at least 2"),
        ("fit --config conf/debug.yaml --data.stages.long.monitor nothing", "no 'nothing' under data.benchmarks"),
        ("test --config conf/eval/local.yaml --data.only [nothing]", "no 'nothing' under data.benchmarks"),
        ("preflight --config conf/debug.yaml --devise h100-80gb", "devise"),
        ("curate --config conf/curate/exampel.yaml", "exampel.yaml"),
        ("score --input rows.jsonl --outptu verdicts.jsonl", "outptu"),
        ("report runs/quickstart/rl --outptu page", "outptu"),
        ("dance --config conf/debug.yaml", "dance"),
    ],
)
def test_a_wrong_command_is_told(text, told, tmp_path):
    with pytest.raises(UserError, match=told):
        check(Command(Path("README.md"), 1, f"python run.py {text}"), tmp_path)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with the shipped configs to run a page in, as a reader does in a clone."""
    (tmp_path / "conf").symlink_to(Path("conf").absolute())
    monkeypatch.chdir(tmp_path)
    with importable(tmp_path):
        yield tmp_path


def walk(page: Path, start: str, end: str, **placeholders: str) -> None:
    """Run the commands of a page between two texts, in order, as they are written."""
    for command in walked(page, start, end):
        run.main([placeholders.get(arg, arg) for arg in command.args])


def make_tiny() -> None:
    """The page's own tiny model, as `tiny`."""
    (made,) = [block.text for block in blocks(GSM8K) if block.language == "python"]
    exec(made, {})


def gsm8k_rows(path: str, count: int) -> None:
    """Rows of GSM8K's form."""
    rows = [
        {
            "question": f"Ann has {n} apples and buys {n + 1} more. How many?",
            "answer": f"So <<1=1>>1.\n#### {2 * n + 1}",
        }
        for n in range(count)
    ]
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.slow
def test_the_gsm8k_page_as_written(workplace, capsys):
    (workplace / "data").mkdir()
    gsm8k_rows("data/gsm8k_train.jsonl", 40)
    gsm8k_rows("data/gsm8k_test.jsonl", 8)
    make_tiny()
    write_files(GSM8K, workplace)
    walk(GSM8K, *WALKS[GSM8K])
    told = capsys.readouterr().out
    assert "nothing would stop the run, 0 warnings" in told
    assert "no temperature of these gives entropy 0.3; sweep lower ones" in told
    stages = json.loads(Path("runs/gsm8k/rl/summary.json").read_text())["stages"]
    assert {name: stage["steps"] for name, stage in stages.items()} == {"short": 2, "full": 3}
    assert json.loads(Path("runs/gsm8k/calibration/calibration.json").read_text())["temperature"] is None
    (comparison,) = json.loads(Path("runs/gsm8k/compare/compare.json").read_text())
    assert comparison["difference"]["problems"] == 4
    assert Path("runs/gsm8k/rl/report/report.html").exists()
    assert Path("runs/gsm8k/sft/export/model.safetensors").exists()


@pytest.mark.slow
def test_the_extending_pages_callback(workplace):
    write_files(EXTENDING, workplace)
    (test,) = [block.text for block in blocks(EXTENDING) if "def test_" in block.text]
    names: dict = {}
    exec(test, names)
    names["test_the_shortest_correct_one_keeps_its_reward"]()
    walk(EXTENDING, "## A callback", "## A verifier")
    assert "penalty: 0.2" in Path("runs/terse/config.yaml").read_text()


@pytest.mark.slow
def test_the_extending_pages_verifier(workplace, capsys):
    write_files(EXTENDING, workplace)
    walk(EXTENDING, "## A verifier", "## A benchmark")
    rows = [json.loads(line) for line in Path("runs/choice/samples.jsonl").read_text().splitlines()]
    assert {tuple(row["detail"]["functions"]) for row in rows} == {("mine.choice.letter", "mine.choice.brief")}
    choice = import_module("mine.choice")
    for row in rows:
        correct = choice.letter(Problem("p", "math", "", row["answer"]), row["response"])
        assert row["status"] == ("correct" if correct else "wrong")
        brief = 1 / (1 + len(row["response"]) / 1000)
        # what `Overlong` takes from a response of all its four tokens is the config's, not the functions'
        assert row["reward"] == pytest.approx(correct + 0.2 * brief - (row["finish_reason"] == "length"))
    texts = {"\\boxed{B}": True, "\\boxed{A} no, \\boxed{B}": True, "\\boxed{A, B}": False, "B": False}
    assert {text: choice.letter(Problem("p", "math", "", "B"), text) for text in texts} == texts
    assert "nothing would stop the run, 0 warnings" in capsys.readouterr().out


def test_the_extending_pages_benchmark(workplace):
    write_files(EXTENDING, workplace)
    make_tiny()
    walk(EXTENDING, "## A benchmark", WALKS[EXTENDING][1], FOLDER="tiny")
    results = json.loads(Path("runs/eval/parity/results.json").read_text())["benchmarks"]
    assert results["parity"]["n"] == 4
    assert set(results["parity"]["problems"]) == {"parity/p1", "parity/p2"}


@pytest.mark.parametrize(("page", "least"), [("algorithms", 80), ("architecture", 30)])
def test_what_a_page_names_exists(page, least):
    named = set(re.findall(r"`([\w/]+\.py)::(\w+)`", Path(f"docs/{page}.md").read_text())) - {("file.py", "name")}
    assert len(named) > least
    defined = {
        file: set(re.findall(r"^\s*(?:def|class) (\w+)", Path(file).read_text(), re.MULTILINE)) for file, _ in named
    }
    assert [f"{file}::{name}" for file, name in sorted(named) if name not in defined[file]] == []


TOLD = [
    "not judged equal to itself",
    "timeout after ",
    "the verifier's process died (exit code ",
    "a verifier's process did not start",
    "SANDBOX WITHOUT LAYER ",
    "this machine has no layer ",
    "vLLM is not installed; the README has the two commands, for a GPU and a CPU",
    "vLLM sleeps on GPUs only; set it to false",
    "the vLLM engine failed while ",
    "log-probs differ from the trainer's by ",
    "sampler and policy drift apart",
    "list WeightSync in callbacks",
    "nothing is solved, so there is nothing to learn from",
    "policy hardly explores",
    "of the responses reach their budget",
    "verdicts are errors, above rewards.max_error_rate ",
    "to resume; leave ckpt_path out to start one",
    "; to resume a run, give --ckpt_path last",
    " is damaged: ",
    "; the one before it is whole: --ckpt_path ",
    " is writing into ",
    "; wait for its end, or name another folder",
    "holds what is no run's: ",
    "which is no run's; name a folder for the run",
    "nothing was trained: the run had finished at step ",
    "the checkpoint is in stage ",
    ": changed since it finished; delete ",
    "failed with status ",
    "another process evaluates into this folder; wait for it",
    "holds samples of another ",
    "bfloat16 needs FSDP2, see conf/hardware/1gpu.yaml",
    "model.backbone.offload: needs FSDP2, see conf/hardware/1gpu-offload.yaml",
    "model.optimizer: a torchao optimizer needs FSDP2, see conf/hardware/1gpu.yaml",
    "several processes need FSDP2, see conf/hardware/8gpu.yaml",
    "give one of path, arithmetic, programs and reasoning_gym, and null for the others",
    "rows can't be used: ",
    " fit beside the response budget",
    "tokens leaves no room for a prompt",
    "is neither a folder with a model nor a name that the Hub answers to (",
    " needs {callback} in trainer.callbacks",
]
"""Parts of what the code says, as the troubleshooting page quotes it."""


def test_the_troubleshooting_page_quotes_what_the_code_says():
    code = "".join(path.read_text() for folder in ("acereason", "callbacks") for path in Path(folder).rglob("*.py"))
    page = " ".join(Path("docs/troubleshooting.md").read_text().split())
    assert [text for text in TOLD if text not in code] == []
    assert [text for text in TOLD if text.strip().replace("{callback}", "Overlong") not in page] == []
