import json
import os

import pytest

from acereason.common.files import atomic_folder, atomic_path, write_json


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


def test_two_writers_of_a_file_with_the_same_process_id_do_not_meet(tmp_path):
    with atomic_path(tmp_path / "a.json") as first, atomic_path(tmp_path / "a.json") as second:
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "a.json").read_text() == "first"  # it was the last to finish
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
