"""Whatever JSON holds is read unchanged, or refused with its place."""

import gzip
import json
import math
import random

import pytest

from acereason.common.errors import UserError
from acereason.data.bad_rows import BadRow
from acereason.data.fields import Fields
from acereason.data.loading import read_problems
from acereason.data.problems import Source

ONE, TWO = '{"problem": "one", "answer": "1"}', '{"problem": "two", "answer": 2.50}'
BOTH = [("one", "1"), ("two", "2.50")]


def read(path, **settings):
    """[(statement, answer)] and {row: reason}."""
    problems, bad = read_problems(Source(str(path), **settings), "s", "k", tests=False)
    return [(problem.statement, problem.answer) for problem in problems], bad


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("f.jsonl", f"{ONE}\n{TWO}"),
        ("f.jsonl", f"\ufeff{ONE}\r\n\r\n  \n\ufeff{TWO}\r\n"),
        ("f.json", f"{ONE}\n{TWO}\n"),
        ("f.json", f"[{ONE}, {TWO}]"),
        ("f.jsonl", f" [\n{ONE}\n,{TWO} ] \n"),
        ("f.json", f'{{"version": 1.0, "data": [{ONE}, {TWO}]}}'),
        ("f.json", f'{{\n "data": [\n{ONE},\n{TWO}]\n}}'),
        ("f.jsonl.gz", gzip.compress(f"{ONE}\n{TWO}".encode(), mtime=0)),
        ("f.json.gz", gzip.compress(f"[{ONE}, {TWO}]".encode(), mtime=0)),
        ("f.jsonl", gzip.compress(f"{ONE}\n{TWO}".encode(), mtime=0)),
        ("f.jsonl.gz", f"{ONE}\n{TWO}"),
    ],
)
def test_every_layout(tmp_path, name, data):
    (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    assert read(tmp_path / name) == (BOTH, {})


def test_one_row_with_messages_is_a_row(tmp_path):
    for name in ("f.json", "f.jsonl"):
        (tmp_path / name).write_text('{"problem": [{"role": "user", "content": "one"}], "answer": "1"}')
        assert read(tmp_path / name) == (BOTH[:1], {})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (f"{ONE}\n{ONE[:-1]},}}\n", r"line 2: .* at character 34"),
        (f"{ONE},\n{TWO},\n", "row 1: Extra data at character 34"),
        (f"{ONE}\ngarbage\n", "line 2: Expecting value at character 1"),
        (f"{ONE}\n{TWO[:-9]}", "line 2: "),
        (f"{ONE}{TWO}\n", "line 1: Extra data at character 34"),
        (f"{ONE}\n\n[1]\n", "line 3: a row must be an object, not a list"),
        ("[1, 2]", "row 1: a row must be an object"),
        (f"[{ONE},]", "after row 1: a comma before the list's end"),
        (f"[{ONE} {TWO}]", "after row 1: neither a comma nor the list's end"),
        (f"[{ONE}]x", "after row 1: something after the list's end"),
        (f"[{ONE}, {TWO[:-9]}", "after row 1: "),
        ('{"problem": "p", "answer": "4", "answer": "5"}', "line 1: the key 'answer' stands there twice"),
        ('{"problem": "p", "a": [{"b": 1, "\\u0062": 2}]}', "line 1: the key 'b' stands there twice"),
        ('{"problem": "p", "\\ud83d": 1}', "line 1: the key '.*' has half of a surrogate pair"),
        ('{"problem": "p", "a": %s}' % ("[" * 100_000 + "]" * 100_000), "line 1: too deep a nesting"),
        ("\n".join(f'{{"problem": "p", "a{n}": 1}}' for n in range(1001)), "line 1000: more than 1000 different keys"),
        (f"{ONE}\n".encode() + '{"problem": "caf\xe9"}'.encode("latin-1"), "line 2: not UTF-8 .0xe9 at byte 17."),
        (f"{ONE}\n".encode("utf-16"), "line 1: not UTF-8 .0xff at byte 1."),
        (gzip.compress(f"{ONE}\n".encode() * 999)[:-9], "after line .*: the compressed file is cut or damaged"),
        (b"\x1f\x8bnothing", "at its beginning: the compressed file is cut or damaged"),
        ("", "it has no rows"),
        ("\ufeff \n\n", "it has no rows"),
        ("[]", "it has no rows"),
    ],
)
def test_what_is_no_row_is_named(tmp_path, data, message):
    path = tmp_path / "f.jsonl"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(UserError, match=rf"k\.path: {path} can't be read as json: {message}") as error:
        read(path)
    assert "\n" not in str(error.value)


def test_columns_that_come_and_go_and_change(tmp_path):
    (tmp_path / "0.jsonl").write_text(f'{ONE}\n{{"problem": "p", "answer": 7, "more": "x"}}\n')
    (tmp_path / "1.jsonl").write_text('{"answer": ["1", 2.0], "problem": "q", "other": {"a": null}}\n')
    (tmp_path / "2.jsonl").write_text("")
    problems, bad = read_problems(Source(str(tmp_path)), "s", "k", tests=False)
    assert [(problem.answer, problem.alternatives) for problem in problems] == [("1", []), ("7", []), ("1", ["2.0"])]
    assert bad == {}


def test_a_file_that_changes_is_read_again(tmp_path):
    path = tmp_path / "f.jsonl"
    for row in (ONE, ONE.replace("one", "two")):  # of the same length
        path.write_text(row)
        assert read(path)[0][0][0] == row[13:16]


TEXTS = ["", " ", "x", "0.10", "1e5", "true", "null", "[1, 2]", '["a"]', "2024-08-01", "a\n\u2028b", "\N{PILE OF POO}"]
TEXTS += ["\ud83d", "half \udc00", "nul\0", '{"a": 1}', "\\frac{1}{2}", "\ufeffx", "-", "[{", '[{"role": "user"}]']
NUMBERS = ["0", "-0", "5", "1.0", "0.10", "1e5", "1E-7", "-0.0", "1e400", "9007199254740993", str(2**64), "9" * 4400]
NUMBERS += ["NaN", "Infinity", "-Infinity", "123456789012345678901234567890.5"]


def row_of(cells: dict[str, str]) -> str:
    """The JSON of an object whose values are JSON already."""
    return "{" + ", ".join(f'"{name}" :{cell}' for name, cell in cells.items()) + "}"


def any_json(draw: random.Random, depth: int = 0) -> str:
    """The text of any JSON value."""
    kind = draw.choice(["text", "number", "word", "list", "object"][: 5 if depth < 3 else 3])
    if kind == "text":
        return json.dumps(draw.choice(TEXTS), ensure_ascii=draw.random() < 0.5).encode(errors="replace").decode()
    if kind == "list":
        return f"[{', '.join(any_json(draw, depth + 1) for _ in range(draw.randrange(4)))}]"
    if kind == "object":
        names = draw.sample(["a", "role", "content", "from", "value", "type", "text"], draw.randrange(4))
        return row_of({name: any_json(draw, depth + 1) for name in names})
    return draw.choice(NUMBERS if kind == "number" else ["null", "true", "false"])


def expected(text: str):
    """The acceptable answers of a JSON text as a plain reader has them; None: none of its values is a text."""
    kept = json.loads(
        text, parse_int=str, parse_float=str, parse_constant=lambda name: "" if name == "NaN" else {name: 0}
    )
    kept = ["a"] if kept == '["a"]' else kept  # the only text among TEXTS that is the JSON of a list of texts
    kept = kept if isinstance(kept, list) else [kept]
    words = {None: "", True: "true", False: "false"}
    if any(isinstance(each, list | dict) for each in kept):
        return None
    return [str(words[each] if each is None or isinstance(each, bool) else each).strip() for each in kept]


def is_unicode(text: str) -> bool:
    return not any(0xD800 <= ord(letter) < 0xE000 for letter in text)


def test_any_value_is_unchanged_or_refused(tmp_path):
    draw = random.Random(20250628)
    cells = [any_json(draw) for _ in range(4000)]
    path = tmp_path / "f.jsonl"
    path.write_text("\n".join(row_of({"problem": '"p"', "answer": cell}) for cell in cells))
    problems, bad = read_problems(Source(str(path)), "s", "k", tests=False)
    found = {problem.id: [problem.answer, *problem.alternatives] for problem in problems}
    assert len(found) + len(bad) == len(cells)
    assert min(len(found), len(bad)) > 1000
    for number, cell in enumerate(cells):
        wanted = expected(cell)
        usable = wanted is not None and (all(wanted) or len(wanted) == 1 and not cell.startswith("["))
        usable = usable and all(is_unicode(answer) for answer in wanted or [])
        name = f"s/{number}"
        assert (name in found) == usable, (cell, found.get(name), bad.get(name))
        assert not usable or found[name] == (wanted or [""]), cell
        assert usable or bad[name].strip(), cell


def test_any_value_in_any_column_leaves_the_reader_standing(tmp_path):
    draw = random.Random(7)
    rows = [{name: any_json(draw) for name in ("problem", "answer", "id", "solution", "level")} for _ in range(1500)]
    path = tmp_path / "f.jsonl"
    path.write_text("\n".join(map(row_of, rows)))
    source = Source(str(path), Fields(id="id", solution="solution", difficulty="level"))
    refused = []
    for index, row in enumerate(source.rows("k")):
        try:
            problem = source.problem(row, index, "s")
            response = source.solution(row, problem)
        except BadRow as error:
            refused.append(str(error))
            continue
        assert problem.statement.strip()
        assert is_unicode(problem.statement + response + problem.id)
        assert problem.difficulty is None or math.isfinite(problem.difficulty)
        assert "None" not in problem.statement + problem.answer + response + problem.id
    assert all(line.startswith(("s/", "'s/")) and line.isprintable() for line in refused)
