"""Every known dataset, on rows of its published columns."""

import json

import pytest
from datasets import Dataset

from acereason.common.errors import UserError
from acereason.curation.origins import worked
from acereason.curation.read import prompts_of
from acereason.curation.sources import SOURCES, CuratedSource, Opened
from acereason.data.arithmetic import Arithmetic
from acereason.data.fields import Fields
from acereason.data.window import Window
from acereason.rewards.code.formats import parse_tests

STDIN = json.dumps({"inputs": ["1 2\n"], "outputs": ["3\n"]})
CHAT = [{"role": "system", "content": "s"}, {"role": "user", "content": "What is 2+3?"}]
ROWS = {
    "acemath": {"messages": CHAT, "answer": "So it is $\\boxed{5}$."},
    "numinamath": {"source": "olympiads", "problem": "What is 2+3?", "solution": "So \\boxed{5}.", "messages": CHAT},
    "openmathreasoning": {
        "expected_answer": "5",
        "problem_type": "has_answer_extracted",
        "problem_source": "aops_c6_high_school_olympiads",
        "generation_model": "DeepSeek-R1",
        "pass_rate_72b_tir": "0.75",
        "problem": "What is 2+3?",
        "generated_solution": "So \\boxed{5}.",
        "inference_mode": "cot",
        "used_in_kaggle": True,
    },
    "acereason-math": {"problem": "What is 2+3?", "answer": "5"},
    "acereason-sft-math": {"category": "math", "source": "aops", "input": "What is 2+3?", "output": "So \\boxed{5}."},
    "gsm8k": {"question": "What is 2+3?", "answer": "2+3=<<2+3=5>>5\n#### 5"},
    "math": {"problem": "What is 2+3?", "level": "Level 1", "solution": "So \\boxed{5}.", "type": "Prealgebra"},
    "acereason-sft-code": {"category": "code", "source": "taco", "input": "Add two numbers.", "output": "print(5)"},
    "taco": {
        "question": "Add two numbers.",
        "solutions": "[]",
        "starter_code": "",
        "input_output": STDIN,
        "difficulty": "EASY",
        "date": "2019-12-31 00:00:00",
        "url": "https://codeforces.com/problemset/problem/1/A",
    },
    "apps": {
        "problem_id": 7,
        "question": "Add two numbers.",
        "solutions": "[]",
        "input_output": STDIN,
        "difficulty": "interview",
        "url": "",
        "starter_code": "",
    },
    "opencoder": {
        "seq_id": 611,
        "instruction": "Add two numbers.",
        "output": "print(5)",
        "code": "def add(a, b): return a + b",
        "entry_point": "add",
        "testcase": ["assert add(1, 2) == 3"],
    },
    "opencodereasoning": {
        "id": "ab12",
        "input": "Add two numbers.",
        "output": "print(5)",
        "source": "codeforces",
        "license": "cc-by-4.0",
        "dataset": "taco",
        "split": "train",
        "difficulty": "EASY",
        "solution": "print(5)",
    },
}
IDS = {"apps": "apps/7", "opencoder": "opencoder/611", "opencodereasoning": "opencodereasoning/ab12"}
WITH_RESPONSES = set(SOURCES) - {"acereason-math", "taco", "apps"}


def test_every_known_dataset_is_tested():
    assert set(ROWS) == set(SOURCES)


@pytest.mark.parametrize("name", SOURCES)
def test_a_known_dataset(name):
    source, row = SOURCES[name], ROWS[name]
    source.check(name)
    assert source.licence != "unknown"
    entry = Opened(name, source, Dataset.from_list([row]))
    assert source.columns() <= set(row)
    found = prompts_of(entry, 0, 1)
    (prompt,) = found.rows
    assert (found.counts, found.bad) == ({"taken": 1, "empty": 0, "not asked for": 0}, {})
    assert prompt["id"] == IDS.get(name, f"{name}/0")
    code = "code" in name or name in ("taco", "apps", "opencoder")
    assert (prompt["task"], prompt["source"]) == ("code" if code else "math", name)
    assert prompt["statement"] == ("Add two numbers." if code else "What is 2+3?")
    assert prompt["answer"] == ("" if code or name == "acereason-sft-math" else "5")
    assert prompt["date"] == ("2019-12-31" if name == "taco" else None)
    kinds = {"taco": "stdin", "apps": "stdin", "opencoder": "call"}
    assert (parse_tests(prompt["tests"]).kind if prompt["tests"] else None) == (
        "check" if name == "opencoder" else kinds.get(name)
    )


@pytest.mark.parametrize("name", SOURCES)
def test_the_responses_in_its_rows(name):
    text = worked(SOURCES[name], ROWS[name])
    if name in WITH_RESPONSES:
        assert text.startswith({"gsm8k": "2+3=5"}.get(name, "print(5)" if SOURCES[name].task == "code" else "So"))
    else:
        assert text == ""


def test_rows_that_are_not_asked_for_and_a_proof_without_an_answer():
    rows = [ROWS["acereason-sft-code"], ROWS["acereason-sft-math"], ROWS["acereason-sft-math"] | {"input": " "}]
    found = prompts_of(Opened("a", SOURCES["acereason-sft-math"], Dataset.from_list(rows)), 0, 3)
    assert ([p["row"] for p in found.rows], found.counts) == ([1], {"taken": 1, "empty": 1, "not asked for": 1})
    proof = ROWS["numinamath"] | {"solution": "It follows."}
    (prompt,) = prompts_of(Opened("n", SOURCES["numinamath"], Dataset.from_list([proof])), 0, 1).rows
    assert prompt["answer"] == ""


def test_a_local_copy_keeps_the_declarations():
    source = CuratedSource(dataset="gsm8k", path="x.jsonl", limit=3).resolved("sources.a")
    assert (source.path, source.config, source.split, source.limit) == ("x.jsonl", None, "train", 3)
    assert (source.fields, source.licence, SOURCES["gsm8k"].path) == ("gsm8k", "MIT", "openai/gsm8k")


def test_keys_beside_a_known_dataset_are_used():
    where = {"problem_source": ["aops"]}
    given = CuratedSource(dataset="openmathreasoning", where=where, licence="mine", limit=3).resolved("sources.a")
    assert given.where == {"problem_type": ["has_answer_extracted"], "problem_source": ["aops"]}
    assert (given.licence, given.limit, given.split) == ("mine", 3, "cot")
    assert SOURCES["openmathreasoning"].where == {"problem_type": ["has_answer_extracted"]}
    assert CuratedSource(dataset="gsm8k", split="test").resolved("k").split == "test"
    fields, window = Fields("question", None), Window("date", "2024-08-01", "2025-02-01")
    given = CuratedSource("x.parquet", fields, "code", "train[:9]", window=window, dataset="gsm8k").resolved("k")
    assert (given.fields, given.task, given.split, given.window) == (fields, "code", "train[:9]", window)
    assert (given.config, CuratedSource(dataset="gsm8k", config="socratic").resolved("k").config) == (None, "socratic")


def test_a_generator_beside_a_known_dataset():
    with pytest.raises(UserError, match=r"sources\.a\.arithmetic: does not go with dataset"):
        CuratedSource(dataset="gsm8k", arithmetic=Arithmetic()).resolved("sources.a")


def test_an_unknown_dataset():
    with pytest.raises(UserError, match=r"sources\.a\.dataset: 'nosuch' is not known; there are \['acemath'"):
        CuratedSource(dataset="nosuch").resolved("sources.a")
