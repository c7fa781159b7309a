import json
from pathlib import Path

import datasets
import pyarrow as pa
import pytest

from acereason.data import tokens
from acereason.data.problems import Source
from acereason.data.prompts import Template
from acereason.data.tokens import Tokenized, open_tokens
from tests.support.fakes import TOKENIZER

ROWS = [{"category": "math", "input": f"p{n}", "output": "r" * n} for n in range(1, 9)]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with rows, whose tokens come in files of three of them, and a cache of its own."""
    monkeypatch.setattr(tokens, "PART", 3)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "f.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return tmp_path


def tokenized(place: Path, **changes) -> Tokenized:
    source = Source(str(place / "f.jsonl"), "acereason-sft")
    given = {"source": source, "name": "s", "template": Template(layout="{user}\n"), "tokenizer": TOKENIZER}
    return Tokenized(**given | changes)


def told(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.arrow")}


@pytest.mark.slow
def test_several_processes_tokenize_the_same(place, monkeypatch):
    one = open_tokens(tokenized(place).make("s", workers=1)).to_list()
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", place / "other")
    two = open_tokens(tokenized(place).make("s", workers=2)).to_list()
    assert len(list((place / "other/acereason").glob("tokens-*/*.arrow"))) == 3
    assert one == two
    assert [row["length"] - row["prompt_length"] for row in two] == [1 + n for n in range(1, 9)]


def test_rows_are_tokenized_once(place, capsys):
    folder = tokenized(place).make("data.sources.s", workers=1)
    before = told(folder)
    assert f"data.sources.s: 8 rows tokenized, 0.0 MB in {folder}" in capsys.readouterr().out
    assert tokenized(place).make("data.sources.s", workers=1) == folder
    assert (told(folder), capsys.readouterr().out) == (before, "")


def test_what_a_killed_call_has_made_is_taken_over(place):
    folder = tokenized(place).make("s", workers=1)
    rows, before = open_tokens(folder).to_list(), told(folder)
    (folder / "0000000003.arrow").unlink()
    tokenized(place).make("s", workers=1)
    changed = {name for name, time in told(folder).items() if before[name] != time}
    assert (open_tokens(folder).to_list(), changed) == (rows, {"0000000003.arrow"})


def test_whatever_decides_the_tokens_has_files_of_its_own(place):
    others = [
        {},
        {"template": Template(layout="{user}")},
        {"name": "t"},
        {"source": Source(str(place / "f.jsonl"), "acereason-sft", limit=7)},
        {"source": Source(str(place / "f.jsonl"), "acereason-sft", where={"input": ["p1", "p2"]})},
    ]
    folders = [tokenized(place, **changes).make("s", workers=1) for changes in others]
    (place / "f.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*ROWS[1:], ROWS[0]]))
    folders.append(tokenized(place).make("s", workers=1))
    assert len(set(folders)) == len(others) + 1
    assert [len(open_tokens(folder)) for folder in folders] == [8, 8, 8, 7, 2, 8]


def test_a_token_takes_four_bytes(place):
    folder = tokenized(place).make("s", workers=1)
    with pa.memory_map(str(folder / "0000000000.arrow")) as file:
        assert pa.ipc.open_stream(file).schema.field("token_ids").type == pa.list_(pa.int32())
