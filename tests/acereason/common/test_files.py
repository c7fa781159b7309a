import json
import os

import pytest

from acereason.common.files import append_rows, atomic_folder, keep_rows_before, read_rows, write_json


def test_a_file_is_replaced_whole(tmp_path):
    write_json(tmp_path / "deep/summary.json", {"a": 1})
    write_json(tmp_path / "deep/summary.json", {"a": 2})
    assert json.loads((tmp_path / "deep/summary.json").read_text()) == {"a": 2}
    assert os.listdir(tmp_path / "deep") == ["summary.json"]


def test_a_value_that_cannot_be_written_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "f.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "f.json", object())
    assert (tmp_path / "f.json").read_text() == "1\n"


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    with atomic_folder(tmp_path / "out") as target:
        (target / "old").touch()
    with pytest.raises(FileExistsError), atomic_folder(tmp_path / "out") as target:
        (target / "new").mkdir()
        (target / "new").mkdir()
    assert os.listdir(tmp_path) == ["out"]
    assert os.listdir(tmp_path / "out") == ["old"]


def test_rows_of_steps_that_are_taken_again_go_with_the_one_that_a_kill_cut_short(tmp_path):
    path = tmp_path / "rows.jsonl"
    append_rows(path, [{"step": 0, "a": "é"}, {"step": 3}])
    append_rows(path, [{"step": 4}])
    with path.open("a") as file:
        file.write('{"step": 3, "te')
    assert [row["step"] for row in read_rows(path)] == [0, 3, 4]
    before = path.read_text().splitlines(keepends=True)
    keep_rows_before(path, 4)
    assert path.read_text() == "".join(before[:2])


def test_a_file_of_rows_that_is_not_there_has_none_and_is_not_made(tmp_path):
    keep_rows_before(tmp_path / "rows.jsonl", 1)
    assert list(read_rows(tmp_path / "rows.jsonl")) == []
    assert os.listdir(tmp_path) == []
