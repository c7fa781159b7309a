"""Paths and typed files: which files a path names, and what their columns say."""

import json
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, DatasetDict

from acereason.common.errors import UserError
from acereason.data.loading import read_problems
from acereason.data.problems import Source
from acereason.data.tables import exact


def read(path, **settings):
    problems, bad = read_problems(Source(str(path), **settings), "s", "k", tests=False)
    return [(problem.statement, problem.answer) for problem in problems], bad


def line(path, statement="p"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"problem": statement, "answer": "1"}) + "\n")
    return path


class TestPaths:
    @pytest.mark.parametrize(
        "name", ["run[lr=1e-6]/x.jsonl", "a*b.jsonl", "a?b.jsonl", "[x].jsonl", "[!a]/[b]/x.jsonl"]
    )
    def test_a_path_that_is_there_is_no_pattern(self, tmp_path, name):
        line(tmp_path / "axb.jsonl", "another")
        line(tmp_path / "x.jsonl", "another")
        path = line(tmp_path / name)
        assert read(path) == ([("p", "1")], {})

    @pytest.mark.parametrize("rest", ["", "/*.jsonl", "/*/*.jsonl", "/part[01]/?.jsonl"])
    def test_below_a_folder_of_such_a_name(self, tmp_path, rest):
        line(tmp_path / "run[1]/part0/x.jsonl")
        if rest == "/*.jsonl":
            line(tmp_path / "run[1]/x.jsonl")
        assert read(f"{tmp_path}/run[1]{rest}") == ([("p", "1")], {})

    def test_a_folder_that_is_named_like_a_file(self, tmp_path):
        Dataset.from_dict({"problem": ["p"], "answer": ["1"]}).save_to_disk(tmp_path / "copy/data.parquet")
        for path in (tmp_path / "copy", tmp_path / "copy/data.parquet", tmp_path / "copy/*/*.arrow"):
            assert read(path) == ([("p", "1")], {})

    def test_a_file_of_another_kind(self, tmp_path):
        (tmp_path / "x.csv").write_text("problem,answer\n")
        with pytest.raises(UserError, match=r"k\.path: .*x\.csv must end in one of \.parquet, \.arrow, \.jsonl"):
            read(tmp_path / "x.csv")

    @pytest.mark.parametrize(("split", "kept"), [("train", "abc"), ("train[1:]", "bc"), ("test[:2]", "ab")])
    def test_a_part_of_a_file(self, tmp_path, split, kept):
        path = tmp_path / "x.jsonl"
        path.write_text("".join(json.dumps({"problem": name, "answer": "1"}) + "\n" for name in "abc"))
        assert "".join(statement for statement, _ in read(path, split=split)[0]) == kept

    def test_a_part_that_is_none(self, tmp_path):
        with pytest.raises(UserError, match=r"k\.split: 'train\[x\]': "):
            read(line(tmp_path / "x.jsonl"), split="train[x]")

    def test_saved_splits(self, tmp_path):
        halves = {name: Dataset.from_dict({"problem": [name], "answer": ["1"]}) for name in ("train", "test")}
        DatasetDict(halves).save_to_disk(tmp_path / "saved")
        assert read(tmp_path / "saved", split="test")[0] == [("test", "1")]
        with pytest.raises(UserError, match=r"has no split 'dev'; there are \['test', 'train'\]"):
            read(tmp_path / "saved", split="dev")


def shards(folder, *columns):
    """Parquet files whose column of answers is each of these."""
    for number, column in enumerate(columns):
        table = pa.table({"problem": ["p"] * len(column), "answer": column})
        pq.write_table(table, folder / f"{number}.parquet")
    return folder


def test_numbers_of_single_precision_are_as_written_wherever_they_are():
    kind = pa.struct(
        [("value", pa.float32()), ("parts", pa.list_(pa.struct([("x", pa.float16())]))), ("n", pa.int64())]
    )
    cells = [{"value": 0.1, "parts": [{"x": 0.2}, None], "n": 3}, None]
    rows = exact(Dataset(pa.table({"reply": pa.array(cells, kind), "other": [0.3, 0.4]})))
    assert rows[0] == {"reply": cells[0], "other": 0.3}
    assert rows[1] == {"reply": None, "other": 0.4}


class TestTypes:
    @pytest.mark.parametrize(
        ("column", "answers"),
        [
            (pa.array(["x"], pa.large_string()), ["x"]),
            (pa.array(["x"], pa.string_view()), ["x"]),
            (pa.array(["x", "y", "x"]).dictionary_encode(), ["x", "y", "x"]),
            (pa.array([2**63 + 1], pa.uint64()), [str(2**63 + 1)]),
            (pa.array([0.1, 142.0, None, float("nan")]), ["0.1", "142", "", ""]),
            (pa.array([0.1, 2.0], pa.float32()), ["0.1", "2"]),
            (pa.array([0.1], pa.float16()), ["0.1"]),
            (pa.array([[0.1]], pa.list_(pa.float32())), ["0.1"]),
            (pa.array([Decimal("1.50")]), ["1.50"]),
            (pa.array([True, None]), ["true", ""]),
            (pa.nulls(1), [""]),
        ],
    )
    def test_values(self, tmp_path, column, answers):
        found, bad = read(shards(tmp_path, column))
        assert ([answer for _, answer in found], bad) == (answers, {})

    @pytest.mark.parametrize(
        ("column", "reason"),
        [
            (pa.array([datetime(2024, 8, 1)]), "a time stamp"),
            (pa.array([date(2024, 8, 1)]), "a date"),
            (pa.array([b"x"]), "bytes"),
            (pa.array([{"value": 5}]), "a mapping"),
            (pa.array([float("inf")]), "the number inf"),
        ],
    )
    def test_values_that_are_no_text(self, tmp_path, column, reason):
        assert read(shards(tmp_path, column)) == ([], {"s/0": f"answer: {reason}, not a text"})

    @pytest.mark.parametrize(
        ("one", "other", "answers"),
        [
            (pa.nulls(1), pa.array(["x"]), ["", "x"]),
            (pa.array([1], pa.int32()), pa.array([2**40]), ["1", str(2**40)]),
            (pa.array(["x"], pa.large_string()), pa.array(["y"]).dictionary_encode(), ["x", "y"]),
            (pa.array([[]], pa.list_(pa.null())), pa.array([["x"]]), ["", "x"]),
        ],
    )
    def test_shards_of_types_that_go_together(self, tmp_path, one, other, answers):
        assert [answer for _, answer in read(shards(tmp_path, one, other))[0]] == answers

    @pytest.mark.parametrize(
        ("one", "other"), [([1], ["x"]), ([2**60 + 1], [0.5]), ([True], [1]), (["2024-08-01"], [date(2024, 8, 1)])]
    )
    def test_shards_of_types_that_do_not(self, tmp_path, one, other):
        with pytest.raises(
            UserError, match=r"column 'answer' is \w+ in 0\.parquet and \S+ in 1\.parquet; read them as"
        ):
            read(shards(tmp_path, pa.array(one), pa.array(other)))

    def test_a_column_that_a_shard_lacks(self, tmp_path):
        pq.write_table(pa.table({"problem": ["p"]}), tmp_path / "0.parquet")
        pq.write_table(pa.table({"answer": ["1"], "problem": ["q"]}), tmp_path / "1.parquet")
        assert read(tmp_path) == ([("p", ""), ("q", "1")], {})

    def test_both_forms_of_arrow_files(self, tmp_path):
        table = pa.table({"problem": ["p"], "answer": ["1"]})
        for name, new in (("stream", pa.ipc.new_stream), ("file", pa.ipc.new_file)):
            with new(str(tmp_path / f"{name}.arrow"), table.schema) as writer:
                writer.write_table(table)
            assert read(tmp_path / f"{name}.arrow") == ([("p", "1")], {})
        assert read(tmp_path) == ([("p", "1")] * 2, {})

    @pytest.mark.parametrize("name", ["x.parquet", "x.arrow"])
    @pytest.mark.parametrize("data", [b"", b"PAR1garbage", b"ARROW1garbage"])
    def test_damaged_files(self, tmp_path, name, data):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match=rf"k\.path: .*{name} can't be read as {name[2:]}: ") as error:
            read(tmp_path / name)
        assert "\n" not in str(error.value)
