import io
import json
import random

import pytest

from acereason.common import texts
from acereason.common.files import append_rows, read_rows, write_atomically
from acereason.common.seeds import derive_seed
from acereason.common.texts import forgiving_streams, one_line, to_json, without_halves

HALVES = ["\ud83d", "\udc00", "a\ud83d", "\udce9b", "\ude00\ud83d", "\ud83d\ud83d\ude00", 'π\udfff\n"\\']


@pytest.mark.parametrize("text", HALVES)
def test_json_reads_back_the_same(text):
    value = {"a": [text, {text: 1}], "b": "π 😀", "c": "\\ud83d"}
    line = to_json(value)
    assert "π 😀" in line
    assert json.loads(line.encode()) == json.loads(json.dumps(value))


def test_halves_are_replaced_at_any_depth_and_joined_where_they_meet():
    assert without_halves(["a\ud83db", {"\udc00": ("\ud83d\ude00", 3, None)}]) == [
        "a\ufffdb",
        {"\ufffd": ["😀", 3, None]},
    ]
    draw = random.Random(0)
    for _ in range(300):
        text = "".join(draw.choice("aπ😀\ud83d\ude00\udfff") for _ in range(draw.randint(0, 6)))
        whole = without_halves(text)
        assert whole.encode().decode() == whole
        assert whole == (text if whole is text else whole.replace("\udfff", "\ufffd"))


def test_one_line():
    assert one_line(" a\n\tb  c") == "a b c"
    assert one_line("x" * 10**6, 5) == "xxxxx…"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_text_can_be_printed(monkeypatch, encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    monkeypatch.setattr(texts.sys, "stdout", stream)
    forgiving_streams()
    print("π \ud83d", flush=True)
    said = stream.buffer.getvalue()
    assert said == ("π \\ud83d\n".encode() if encoding == "utf-8" else b"\\u03c0 \\ud83d\n")


def test_files_hold_any_text_whatever_the_locale(tmp_path, monkeypatch):
    monkeypatch.setattr("locale.getencoding", lambda: "ascii")
    write_atomically(tmp_path / "page.html", "π \ud83d")
    assert (tmp_path / "page.html").read_bytes() == "π \ufffd".encode()
    append_rows(tmp_path / "rows.jsonl", [{"a": "π \ud83d"}])
    assert [*read_rows(tmp_path / "rows.jsonl")] == [{"a": "π \ud83d"}]


def test_a_draw_may_be_named_by_any_text():
    assert derive_seed(0, "a\ud83d") != derive_seed(0, "a\ud83e")
