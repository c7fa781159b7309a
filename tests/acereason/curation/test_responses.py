import json

import pytest

from acereason.data.values import answers_of
from tests.support.curations import curated, dropped, rows_of, write_rows, write_shards

SOURCE = [{"problem": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(5)]
RESPONSES = [
    {"id": "m/0", "response": r"\boxed{0}"},
    {"id": "m/0", "sample": 1, "response": r"\boxed{0} again"},
    {"id": "m/0", "sample": 1, "response": r"\boxed{0} twice"},  # repeated
    {"id": "m/1", "response": r"\boxed{2}", "finish_reason": "length"},  # truncated
    {"id": "m/9", "response": r"\boxed{2}"},  # of no known prompt
    {"id": "m/2", "response": ""},
    {"id": "m/2", "sample": 1, "response": r"\boxed{5}", "status": "wrong"},
    {"id": "prompts/m/3", "response": r"\boxed{6}", "status": None, "tokens": None},  # as `predict` names it
    {"id": "m/3", "sample": 1, "response": r"\boxed{7}", "status": None},
    {"id": "m/3", "sample": 2, "response": r"\boxed{6}", "status": "error"},
]


def test_only_correct_ones_stay(tmp_path):
    path = write_shards(tmp_path / "shards", RESPONSES)
    output = curated(tmp_path, sources={"m": write_rows(tmp_path / "m.jsonl", SOURCE)}, responses={"path": path})
    assert [
        (row["id"], row["sample"], row["response"], row["status"], row["tokens"]) for row in rows_of(output, "all")
    ] == [
        ("m/0", 0, r"\boxed{0}", "correct", 100),
        ("m/0", 1, r"\boxed{0} again", "correct", 100),
        ("m/3", 0, r"\boxed{6}", "correct", 3),  # 9 characters, 3 a token
    ]
    stages = json.loads((output / "manifest.json").read_text())["stages"]
    assert stages["responses"]["reasons"] == {
        "of no known prompt": 1, "truncated": 1, "empty": 1, "repeated": 1,
    }  # fmt: skip
    assert stages["verify"]["reasons"] == {"wrong": 2, "error": 1}
    assert stages["verify"]["details"]["verdicts"] == {"correct": 3, "wrong": 2, "error": 1}
    assert {name: why for name, (why, _) in dropped(output, "responses").items()} == {
        "m/1": "no response", "m/4": "no response",
    }  # fmt: skip
    assert dropped(output, "verify") == {"m/2": ("no response is kept", {})}


def test_pass_rate_and_agreement(tmp_path):
    correct = {0: 4, 1: 3, 2: 1, 3: 0, 4: 4}
    rows = [
        {"id": f"m/{n}", "sample": k, "response": f"r{k}", "status": "correct" if k < correct[n] else "wrong"}
        for n in range(5)
        for k in range(4 if n < 4 else 5)
    ]
    output = curated(
        tmp_path,
        sources={"m": write_rows(tmp_path / "m.jsonl", SOURCE)},
        responses={"path": write_shards(tmp_path / "shards", rows)},
        verify={"keep": ["correct", "wrong"], "pass_rate": [0.25, 0.9], "agreeing": 2},
    )
    assert {row["id"] for row in rows_of(output, "all")} == {"m/1", "m/4"}
    assert dropped(output, "verify") == {
        "m/0": ("pass rate", {"correct": 4, "responses": 4}),
        "m/2": ("too few agree", {"correct": 1, "responses": 4}),
        "m/3": ("pass rate", {"correct": 0, "responses": 4}),
    }


def test_responses_of_the_sources_go_to_the_first_copy(tmp_path):
    rows = [
        {"question": "What is two and three?", "answer": "one\n#### 5"},
        {"question": "what is two and three", "answer": "two\n#### 5"},
        {"question": "What is four and five?", "answer": "three\n#### 9"},
        {"question": "What is two and three ?", "answer": "four\n#### 5"},
    ]
    source = write_rows(tmp_path / "g.jsonl", rows) | {"fields": "gsm8k"}
    output = curated(
        tmp_path,
        sources={"g": source},
        responses={"from_sources": True, "tokenizer": "bytes"},
        verify={"keep": ["correct", "wrong", "error", "unverifiable"]},
    )
    assert [
        (row["id"], row["sample"], row["response"], row["tokens"], row["status"]) for row in rows_of(output, "all")
    ] == [
        ("g/0", 0, "one\n\\boxed{5}", 7, None),
        ("g/0", 1, "two\n\\boxed{5}", 7, None),
        ("g/2", 0, "three\n\\boxed{9}", 9, None),
        ("g/0", 2, "four\n\\boxed{5}", 8, None),
    ]


def test_code_is_judged_by_its_tests(tmp_path):
    tests = '{"inputs": ["1\\n", "5\\n"], "outputs": ["2\\n", "6\\n"]}'
    rows = [{"question": "Print the next number.", "input_output": tests, "starter_code": ""}]
    rows.append({"question": "Print anything you like.", "input_output": None, "starter_code": ""})
    source = write_rows(tmp_path / "c.jsonl", rows) | {"fields": "taco", "task": "code"}
    programs = ["print(int(input()) + 1)", "print(2)", "print(int(input()) - -1)"]
    responses = [
        {"id": f"c/{n}", "sample": k, "response": f"```python\n{program}\n```", "status": None}
        for n in (0, 1)
        for k, program in enumerate(programs)
    ]
    output = curated(
        tmp_path, sources={"c": source}, responses={"path": write_shards(tmp_path / "s", responses)},
        verify={"keep": ["correct", "unverifiable"]},
    )  # fmt: skip
    assert [(row["id"], row["sample"], row["status"]) for row in rows_of(output, "all")] == [
        *(("c/0", 0, "correct"), ("c/0", 2, "correct")),
        *(("c/1", k, "unverifiable") for k in range(3)),
    ]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"path": "nosuch"}, "responses.path: no .parquet file in nosuch"),
        ({"path": "x", "from_sources": True}, "responses: give path or from_sources, not both"),
    ],
)
def test_mistakes(tmp_path, capsys, config, message):
    with pytest.raises(SystemExit):
        curated(tmp_path, sources={"m": write_rows(tmp_path / "m.jsonl", SOURCE)}, responses=config)
    assert f"error: {message}" in capsys.readouterr().err


def test_responses_of_the_sources_are_judged_as_they_are(tmp_path):
    said = [
        "",
        None,
        "<think>\nit was cut",
        "I cannot help with that.",
        "The answer is 9.",
        r"So \boxed{9}.",
        r"\boxed{8}",
    ]
    rows = [{"problem": f"How much are {n} and four plums?", "answer": "8", "r": text} for n, text in enumerate(said)]
    source = write_rows(tmp_path / "m.jsonl", rows) | {"fields": {"solution": "r"}}
    output = curated(tmp_path, sources={"m": source}, responses={"from_sources": True})
    assert [(row["id"], row["response"], row["status"]) for row in rows_of(output, "all")] == [
        ("m/6", r"\boxed{8}", "correct")
    ]
    stages = json.loads((output / "manifest.json").read_text())["stages"]
    assert stages["responses"]["reasons"] == {"truncated": 1, "empty": 2}
    assert stages["verify"]["reasons"] == {"wrong": 3}


def test_several_acceptable_answers_reach_the_verdict(tmp_path):
    answer = ["7", r"\frac12"]
    rows = [{"problem": f"What is half of {n}?", "answer": answer, "r": rf"\boxed{{{n / 2}}}"} for n in (1, 3)]
    source = write_rows(tmp_path / "m.jsonl", rows) | {"fields": {"solution": "r"}}
    output = curated(
        tmp_path, sources={"m": source}, responses={"from_sources": True}, verify={"keep": ["correct", "wrong"]}
    )
    found = rows_of(output, "all")
    assert [(row["id"], row["status"]) for row in found] == [("m/0", "correct"), ("m/1", "wrong")]
    assert answers_of(found[0]["answer"]) == answer


RATED = [
    {"id": "m/0", "response": "r", "sample": 0, "status": "correct", "tokens": 10},
    {"id": "m/0", "response": "r", "sample": 1, "status": "wrong", "tokens": 20},
    {"id": "m/0", "response": "r", "sample": 2, "status": "wrong", "tokens": 90, "finish_reason": "length"},
    {"id": "m/0", "response": "", "sample": 3, "status": None, "tokens": None},
    {"id": "m/1", "response": "r", "sample": 0, "status": None, "tokens": 8, "finish_reason": "length"},
    {"id": "m/2", "response": "r", "sample": 0, "status": "error", "tokens": 6},
    {"id": "m/3", "response": r"\boxed{6}", "sample": 0, "status": None, "tokens": 5},
]
"""Two of four solved were the cut one not counted; never at its end; nobody knows; judged on the way; none for m/4."""


def ratings(output):
    rows = rows_of(output, "all")
    return {row["id"]: (row["judged"], row["pass_rate"], row["difficulty"], row["mean_tokens"]) for row in rows}


def test_responses_may_only_rate_their_prompts(tmp_path):
    output = curated(
        tmp_path,
        sources={"m": write_rows(tmp_path / "m.jsonl", SOURCE)},
        responses={"path": write_shards(tmp_path / "shards", RATED), "only_rate": True},
        balance={"math": {"short": 1000, "keep_short": 0.0}},
    )
    assert ratings(output) == {
        "m/0": (4, 0.25, 0.75, 30.0),
        "m/1": (1, 0.0, 1.0, 8.0),
        "m/2": (0, None, None, 6.0),
        "m/3": (1, 1.0, 0.0, 5.0),
    }
    assert {row["response"] for row in rows_of(output, "all")} == {None}
    assert {name: why for name, (why, _) in dropped(output, "responses").items()} == {"m/4": "no response"}


def test_a_pass_rate_counts_the_responses_that_were_cut(tmp_path):
    output = curated(
        tmp_path,
        sources={"m": write_rows(tmp_path / "m.jsonl", SOURCE)},
        responses={"path": write_shards(tmp_path / "shards", RATED), "only_rate": True},
        verify={"pass_rate": [0.25, 0.4]},
    )
    assert list(ratings(output)) == ["m/0"]
    assert dropped(output, "verify")["m/1"] == ("pass rate", {"correct": 0, "responses": 1})


def test_responses_that_stay_have_their_prompts_rating(tmp_path):
    output = curated(
        tmp_path,
        sources={"m": write_rows(tmp_path / "m.jsonl", SOURCE)},
        responses={"path": write_shards(tmp_path / "shards", RATED)},
    )
    assert ratings(output) == {"m/0": (4, 0.25, 0.75, 30.0), "m/3": (1, 1.0, 0.0, 5.0)}


def test_nothing_rates_without_responses(tmp_path, capsys):
    with pytest.raises(SystemExit):
        curated(tmp_path, sources={"m": write_rows(tmp_path / "m.jsonl", SOURCE)}, responses={"only_rate": True})
    assert "error: responses.only_rate: there are no responses" in capsys.readouterr().err
