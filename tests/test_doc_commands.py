"""Commands in the documents: run.py takes each of them; pages that walk through something are walked through."""

from pathlib import Path

import pytest
from documented import Command, check, commands, pages

import callbacks  # noqa: F401  the YAML names them
from acereason.errors import UserError

COMMANDS = {str(command): command for page in pages() for command in commands(page)}
GSM8K = Path("docs/gsm8k.md")


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
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
        (8, ["curate", "--config", "conf/curate/example.yaml"]),
    ]
    assert {command.page for command in COMMANDS.values()} >= {Path("README.md"), GSM8K, Path("docs/evaluation.md")}


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
