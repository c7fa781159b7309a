import pytest

from acereason.common.errors import UserError
from acereason.common.journal import Journal, read_lines

LINE = b'{"a": 1}\n'


def test_a_line_is_found_at_its_place(tmp_path):
    with Journal(tmp_path / "new/j.jsonl", "taken") as journal:
        places = [journal.append({"a": 1}), journal.append({"b": "ü\ud83d"}), journal.append({})]
        assert journal.read(places[1]) == {"b": "ü\ud83d"}
    assert places == [0, 9, 9 + 18]  # ü has two bytes, and \ud83d is written as its escape of six
    with Journal(tmp_path / "new/j.jsonl", "taken") as journal:
        assert journal.append({"c": 3}) == 30
    lines = list(read_lines(tmp_path / "new/j.jsonl", dict))
    assert lines == [(0, {"a": 1}), (9, {"b": "ü\ud83d"}), (27, {}), (30, {"c": 3})]


@pytest.mark.parametrize("whole", [b"", LINE, 20_000 * LINE])
@pytest.mark.parametrize("torn", [b"", b'{"a": ', b"x" * 200_000])
def test_a_torn_line_of_any_length_is_cut_off(tmp_path, whole, torn):
    path = tmp_path / "j.jsonl"
    path.write_bytes(whole + torn)
    assert sum(1 for _ in read_lines(path, dict)) == whole.count(b"\n")
    with Journal(path, "taken") as journal:
        assert journal.append({"a": 1}) == len(whole)
    assert path.read_bytes() == whole + LINE


@pytest.mark.parametrize(
    ("line", "reason"),
    [(b"{\n", "Expecting"), (b"[1]\n", "list indices"), (b'{"b": 1}\n', "'a'"), (b"\xff\n", "utf-8")],
)
def test_a_damaged_line_is_named(tmp_path, line, reason):
    path = tmp_path / "j.jsonl"
    path.write_bytes(LINE + line + LINE)
    with pytest.raises(UserError, match=rf"j\.jsonl, line 2: a damaged line \(.*{reason}.*\); delete it"):
        list(read_lines(path, lambda values: values["a"]))


def test_one_process_writes_at_a_time(tmp_path):
    with Journal(tmp_path / "j.jsonl", "taken"), pytest.raises(UserError, match="^taken$"):
        Journal(tmp_path / "j.jsonl", "taken")
    Journal(tmp_path / "j.jsonl", "taken").close()
