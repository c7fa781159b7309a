"""Datasets by their names on the Hub, from one that answers as it does: JSON keeps what it says."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from acereason.common.errors import UserError
from acereason.data.loading import read_problems
from acereason.data.problems import Source
from tests.support.hub_server import hub

ROWS = (
    '{"problem": "big", "answer": 12345678901234567}\n{"problem": "small", "answer": 0.10}\n'
    '{"problem": "day", "answer": "2024-08-01"}\n'
)
MIXED = {"day": "2024-08-01", "big": "12345678901234567", "small": "0.10"}
CARD = "---\nconfigs:\n- config_name: a\n  data_files: part/a*.jsonl\n- config_name: b\n  data_files: b.json\n---\n"


def read(name, **settings):
    problems, bad = read_problems(Source(name, **settings), "s", "data.sources.s", tests=False)
    assert bad == {}
    return {problem.statement: problem.answer for problem in problems}


def test_json_says_what_its_file_says(tmp_path, monkeypatch):
    with hub(monkeypatch, tmp_path, "me/sums", {"train.jsonl": ROWS.encode(), "README.md": b"sums"}) as asked:
        assert read("me/sums") == MIXED
        assert read("me/sums", split="train[1:]") == {"small": "0.10", "day": "2024-08-01"}
    assert sum("resolve" in path and path.endswith("/train.jsonl") for path in asked)


def test_configs_and_splits_are_those_of_its_card(tmp_path, monkeypatch):
    whole = json.dumps([{"problem": "other", "answer": 7}])
    files = {"README.md": CARD.encode(), "part/a0.jsonl": ROWS.encode(), "b.json": whole.encode()}
    with hub(monkeypatch, tmp_path, "me/two", files):
        assert read("me/two", config="a") == MIXED
        assert read("me/two", config="b") == {"other": "7"}
        with pytest.raises(
            UserError, match=r"data\.sources\.s\.split: me/two has no split 'test'; there are \['train'\]"
        ):
            read("me/two", config="a", split="test")
        with pytest.raises(
            UserError, match=r"data\.sources\.s\.path: 'me/two' is no .* the Hub: Config name is missing"
        ):
            read("me/two")


def test_a_folder_that_is_laid_out_as_a_dataset(tmp_path):
    folder = tmp_path / "mine"
    (folder / "part").mkdir(parents=True)
    (folder / "README.md").write_text(CARD)
    (folder / "part/a.jsonl").write_text(ROWS)
    (folder / "b.json").write_text("[]")
    assert read(str(folder), config="a") == MIXED


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "arrow"])
def test_a_folder_whose_files_have_changed_is_read_anew(tmp_path, kind):
    """`datasets` goes on with what it has once read of the path."""
    (tmp_path / "README.md").write_text(f"---\nconfigs:\n- config_name: a\n  data_files: data/*.{kind}\n---\n")
    (tmp_path / "data").mkdir()
    for answer in ("1", "2"):
        write(tmp_path / f"data/x.{kind}", [{"problem": "p", "answer": answer}])
        assert read(str(tmp_path), config="a") == {"p": answer}


def write(path, rows: list[dict]) -> None:
    table = pa.Table.from_pylist(rows)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with pa.ipc.new_stream(path, table.schema) as file:
            file.write_table(table)


def test_a_folder_in_another_format_is_refused(tmp_path):
    (tmp_path / "README.md").write_text("---\nconfigs:\n- config_name: a\n  data_files: x.csv\n---\n")
    (tmp_path / "x.csv").write_text("problem,answer\np,1\n")
    with pytest.raises(UserError, match="its files are of a format that is not read here, "):
        read(str(tmp_path), config="a")


def test_what_was_read_once_is_read_offline(tmp_path, monkeypatch):
    with hub(monkeypatch, tmp_path, "me/kept", {"train.jsonl.gz": gzip.compress(ROWS.encode())}):
        assert read("me/kept") == MIXED
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert read("me/kept") == MIXED


def test_others_are_read_as_they_are_typed(tmp_path, monkeypatch):
    table = pa.table({"problem": ["p"], "answer": pa.array([2**62])})
    pq.write_table(table, buffer := pa.BufferOutputStream())
    with hub(monkeypatch, tmp_path, "me/typed", {"train.parquet": buffer.getvalue().to_pybytes()}):
        assert read("me/typed") == {"p": str(2**62)}


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("train.jsonl", b'{"problem": ', r"me/bad can't be read as json: .*train\.jsonl, line 1: Expecting value"),
        ("train.jsonl.zst", b"", r"train\.jsonl\.zst of me/bad is compressed in a way that is not read here; unpack"),
    ],
)
def test_what_cant_be_read_is_one_line(tmp_path, monkeypatch, file, content, told):
    with (
        hub(monkeypatch, tmp_path, "me/bad", {file: content}),
        pytest.raises(UserError, match=r"data\.sources\.s\.path: .*" + told),
    ):
        read("me/bad")
