"""The verb as people call it."""

import json

import pytest

import run

ROWS = [
    {"id": "a", "task": "math", "response": r"\boxed{0.5}", "answer": r"\frac12", "expected": "correct"},
    {"id": "b", "response": r"\boxed{x+1}", "answer": "1+x", "expected": "wrong"},
    {"id": "c", "response": "no box", "answer": ["1", "2"]},
    {"id": 4, "response": r"\boxed{2}", "answer": 2.0},
    {"id": "e", "response": r"\boxed{2}", "answer": r"\frac{", "expected": "error"},
    {"id": "f", "response": r"\boxed{[0,1)}", "answer": "[0,1]"},
]
ADD = {"type": "call", "fn_name": "add", "inputs": [[1, 2], [3, 4]], "outputs": [3, 7]}
PROGRAMS = [
    {"id": "p", "task": "code", "response": "```python\ndef add(a, b): return a + b\n```", "tests": ADD},
    {"id": "q", "program": "def add(a, b): return a - b", "tests": ADD, "expected": False},
]


@pytest.fixture
def score(tmp_path, capsys):
    """Scores rows; gives (exit status, output rows or None, stdout, stderr)."""

    def call(rows: list, *args: str):
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
        target = tmp_path / "out/verdicts.jsonl"
        status = 0
        try:
            run.main(
                ["score", f"--input={tmp_path / 'rows.jsonl'}", f"--output={target}", "--rewards.workers=1", *args]
            )
        except SystemExit as exit_:
            status = exit_.code
        written = [json.loads(line) for line in target.read_text().splitlines()] if target.exists() else None
        return (status, written, *capsys.readouterr())

    return call


def test_verdicts_in_order_with_their_reasons(score):
    status, rows, out, _ = score(ROWS, "--max-error-rate=0.2")
    assert status == 0
    assert [(row["id"], row["status"], row["reward"]) for row in rows] == [
        *(("a", "correct", 1), ("b", "correct", 1), ("c", "wrong", 0)),
        *(("4", "correct", 1), ("e", "error", None), ("f", "wrong", 0)),
    ]
    assert rows[0].keys() == {"id", "status", "reward", "extracted", "detail", "seconds"}
    assert rows[0]["extracted"] == "0.5"
    assert rows[0]["detail"] == {"normal": "0.5", "answer": r"\frac12", "path": "equal number"}
    assert rows[1]["detail"]["path"] == "math-verify"
    assert rows[1]["seconds"] > 0
    assert "unparsable answer" in rows[4]["detail"]["error"]
    assert "agreement with the expected verdicts: 2 of 3" in " ".join(out.split())


def test_the_error_rate_decides_the_exit_status(score):
    status, rows, _, err = score(ROWS, "--max-error-rate=0.1")
    assert status == 1
    assert len(rows) == 6  # written all the same
    assert "16.7% of the verdicts are errors, above 10.0%" in err


def test_code_rows(score):
    status, rows, out, _ = score(PROGRAMS)
    assert status == 0
    assert [row["reward"] for row in rows] == [1, 0]
    assert rows[0]["detail"]["tests"] == ["passed", "passed"]
    assert rows[1]["detail"]["tests"] == ["wrong", "not run"]
    assert "isolation of programs: " in out
    assert "agreement with the expected verdicts: 1 of 1" in " ".join(out.split())


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "line 2: no JSON object"),
        ("[1]", "line 2: no JSON object, but a list"),
        ("[" * 100_000, "line 2: no JSON object"),
        ({"id": "x", "response": r"\boxed{1}"}, "line 2 (id x): no known format of tests"),
        ({"id": "x", "task": "math", "response": "1"}, "line 2 (id x): a math row needs an answer"),
        ({"id": "x", "task": "math", "answer": "1"}, "line 2 (id x): a row needs a response, as text"),
        ({"id": "x", "response": 1, "answer": "1"}, "line 2 (id x): a row needs a response, as text"),
        ({"id": "x", "response": "", "answer": [None]}, "line 2 (id x): answer must be a text, a number, or a list"),
        (
            {"id": "x", "task": "art", "response": ""},
            "line 2 (id x): task must be math, code or reasoning-gym, not 'art'",
        ),
        ({"id": "x", "task": "code", "response": "", "tests": 7}, "line 2 (id x): tests must be a mapping or a list"),
        ({"id": [1], "response": "", "answer": "1"}, "line 2: id must be a text or a number, not [1]"),
    ],
)
def test_a_bad_row_is_one_line_and_status_2(score, row, message):
    status, rows, _, err = score([ROWS[0], row])
    assert (status, rows) == (2, None)
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert message in line


def test_explain_shows_a_math_verdict_step_by_step(score):
    status, rows, out, _ = score(ROWS, "--explain=f")
    assert (status, rows) == (0, None)
    for words in (
        "last box  [0,1)",
        "ground truth  [0,1]",
        "[0,1)  ≠  [0,1]",
        "another kind of brackets",
        "wrong, reward 0",
    ):
        assert words in out or words.replace("  ", " ") in out


def test_explain_shows_every_test_of_a_program(score):
    _, _, out, _ = score(PROGRAMS, "--explain=q")
    text = " ".join(out.split())
    for words in (
        "def add(a, b): return a - b",
        "isolation limits:",
        "│ [1, 2] │ 3 │ -1 │",
        "│ [3, 4] │ 7 │ -1 │",
        "reward 0",
    ):
        assert words in text


def test_mistakes(score, capsys):
    assert "error: explain: " in score(ROWS, "--explain=nosuch")[3]
    assert score(ROWS, "--input=nosuch.jsonl")[0] == 2
    with pytest.raises(SystemExit):
        run.main(["score", "--input=setup.cfg"])
    assert "error: output: name the .jsonl file" in capsys.readouterr().err


def test_thousands_of_rows_keep_their_order(score):
    rows = [{"id": n, "response": rf"\boxed{{{n % 7}}}", "answer": str(n % 5)} for n in range(5000)]
    _, written, _, _ = score(rows)
    assert [(row["id"], row["reward"]) for row in written] == [(str(n), int(n % 7 == n % 5)) for n in range(5000)]


def test_half_a_pair_and_bytes_that_are_no_utf8_cost_no_row_its_verdict(score, tmp_path):
    latin = b'{"id": "l\xe9", "answer": "4", "response": "caf\xe9 \\\\boxed{caf\xe9}"}'.decode(
        "utf-8", "surrogateescape"
    )
    rows = [
        {"id": "a", "answer": "4", "response": r"\boxed{4}"},
        {"id": "b", "answer": "4", "response": "\\boxed{4 \ud83d}"},
        {"id": "c\ud83d", "answer": "4", "response": "\udc00 \\boxed{4}"},
        {"id": "d", "answer": "4 \ud83d", "response": "\\boxed{4}"},
        {"id": "e", "answer": ["4", "\ud83d"], "response": "\\boxed{\ud83d}"},
    ]
    program = "```python\ndef add(a, b): raise ValueError(chr(0xd83d))\n```"
    code = {"id": "f", "task": "code", "response": program, "tests": ADD}
    lines = [json.dumps(row) for row in [*rows, code]]
    status, written, out, _ = score(lines, "--max-error-rate=1")
    assert status == 0
    assert [(row["id"], row["status"]) for row in written] == [
        *(("a", "correct"), ("b", "wrong"), ("c\ud83d", "correct"), ("d", "error"), ("e", "correct"), ("f", "wrong")),
    ]
    assert written[1]["extracted"] == "4 \ud83d"
    assert "ValueError" in str(written[5]["detail"])
    (tmp_path / "rows.jsonl").write_bytes(latin.encode("utf-8", "surrogateescape") + b"\n")
    target = tmp_path / "latin.jsonl"
    run.main(["score", f"--input={tmp_path / 'rows.jsonl'}", f"--output={target}", "--rewards.workers=1"])
    (row,) = [json.loads(line) for line in target.read_bytes().decode().splitlines()]
    assert (row["id"], row["status"], row["extracted"]) == ("l\udce9", "wrong", "caf\udce9")
    run.main(["score", f"--input={tmp_path / 'rows.jsonl'}", "--explain=l\udce9", "--rewards.workers=1"])
