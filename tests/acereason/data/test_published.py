"""Every known mapping, on a row of the form in which its dataset is published: all its columns, in the types of its
files. The content is our own."""

import base64
import json
import pickle
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from acereason.data.fields import MAPPINGS
from acereason.data.loading import read_problems
from acereason.data.problems import Source
from acereason.data.prompts import Template

CASE = {"input": "1 2\n", "output": "3\n", "testtype": "stdin"}
CALL = {"input": "[1, 2]\n3", "output": "6", "testtype": "functional"}
PACKED = base64.b64encode(zlib.compress(pickle.dumps(json.dumps([CASE] * 2)))).decode()
STDIN = json.dumps({"inputs": ["1 2\n", "5 6\n"], "outputs": ["3\n", "11\n"]})
THOUGHT = "<think>\nOkay, 2+3.\n</think>\n\nThe sum is $\\boxed{5}$."
PROGRAM = "<think>\nEasy.\n</think>\n\n```python\nprint(5)\n```"
LCB = {
    "question_title": "t", "question_content": "Print a+b.\n", "platform": "atcoder", "question_id": "abc370_a",
    "contest_id": "abc", "contest_date": "2024-09-07T00:00:00", "starter_code": "", "difficulty": "easy",
    "public_test_cases": json.dumps([CASE]), "private_test_cases": PACKED, "metadata": "{}",
}  # fmt: skip
HUMANEVAL = {
    "task_id": "HumanEval/0", "prompt": 'def total(xs):\n    """ Sum. """\n',
    "canonical_solution": "    return sum(xs)", "entry_point": "total",
    "test": "def check(candidate):\n    assert candidate([1, 2]) == 3\n",
}  # fmt: skip
APPS = {
    "question": "Print a+b.", "solutions": '["print(3)"]', "input_output": STDIN, "difficulty": "interview", "url": "u",
    "starter_code": "",
}  # fmt: skip
ROWS = {
    "gsm8k": [{"question": "What is 2+3?", "answer": "2+3=<<2+3=5>>5\n#### 5"}],
    "math": [{"problem": "Find b.", "answer": "70", "id": "0"}],  # math-ai/aime25
    "math500": [
        {
            "problem": "Convert.", "solution": "It is \\boxed{\\frac{\\pi}{2}}.", "answer": "\\frac{\\pi}{2}",
            "subject": "Precalculus", "level": 2, "unique_id": "test/precalculus/807.json",
        }
    ],
    "matharena": [{"problem_idx": 1, "problem": "Find it.", "answer": "-984", "problem_type": ["Algebra"]}],
    "aime": [
        {"id": 60, "problem": "Find n.", "solution": "n is \\boxed{25}.", "answer": "025", "url": "u", "year": "2024"}
    ],
    "acereason-math": [{"problem": "What is half of 3?", "answer": "\\frac{3}{2}"}],
    "acereason-sft": [
        {"category": "math", "source": "OpenMathReasoning", "input": "What is $2+3$?", "output": THOUGHT},
        {"category": "code", "source": "OpenCodeReasoning", "input": "Print 5.", "output": PROGRAM},
    ],
    "taco": [
        {
            "question": "Print a+b.", "solutions": '["print(3)"]', "starter_code": "", "input_output": STDIN,
            "difficulty": "EASY", "raw_tags": "[]", "name": None, "source": "codeforces", "tags": "[]",
            "skill_types": "[]", "url": "u", "Expected Auxiliary Space": None, "time_limit": "1.0 seconds",
            "date": "2019-12-31", "picture_num": "0", "memory_limit": "256.0 megabytes",
            "Expected Time Complexity": None,
        }
    ],
    "apps": [{"id": 7} | APPS],
    "livecodebench": [
        LCB,
        LCB | {
            "question_id": "3575", "starter_code": "class Solution:\n    def total(self, xs, k):\n        ",
            "public_test_cases": json.dumps([CALL]), "private_test_cases": json.dumps([CALL]),
            "metadata": '{"func_name": "total"}',
        },
    ],
    "deepcoder": [
        {"problem": "Twice.", "solutions": ["x"], "tests": json.dumps(tests)}
        for tests in (
            [{"fn_name": "twice", "input": [4], "output": [8], "type": "function_call"}],
            [{"input": "4\n", "output": "8\n", "type": "stdin_stdout"}],
            {"fn_name": "twice", "inputs": [[4]], "outputs": [[8]]},
        )
    ],
    "deepcoder-lcbv5": [
        {
            "problem": "Total.", "starter_code": "class Solution:\n    def total(self, xs, k):\n        ",
            "tests": json.dumps([CALL]), "metadata": {"func_name": "total"},
        },
        {"problem": "Add.", "starter_code": "", "tests": json.dumps([CASE]), "metadata": {"func_name": None}},
    ],
    "acereason-code": [{"problem": "Print a+b.", "tests": STDIN}],
    "humaneval": [HUMANEVAL],
    "mbpp": [
        {
            "task_id": 2, "text": "Write f.", "code": "def f(x): return x + 1", "test_list": ["assert f(1) == 2"],
            "test_setup_code": "", "challenge_test_list": [],
        }
    ],
    "mbppplus": [
        {
            "task_id": 2, "code": "x", "prompt": "Write f.", "source_file": "x", "test_imports": ["import math"],
            "test_list": ["assert f(1) == 2"], "test": "for i in range(3):\n    assert f(i) == i + 1\n",
        }
    ],
    "sft": [
        {
            "id": "gsm8k/0", "sample": 0, "task": "code", "statement": "Print 5.", "starter": "def f():",
            "response": PROGRAM, "status": "correct", "detail": "{}", "tokens": 9, "finish_reason": "stop", "seed": 1,
        }
    ],
    "curated": [
        {
            "id": "gsm8k/0", "sample": 0, "source": "gsm8k", "task": "math", "statement": "What is 2+3?", "starter": "",
            "answer": "5", "tests": None, "response": THOUGHT, "tokens": 9, "status": "correct",
        }
    ],
    "curated-code": [
        {
            "id": "taco/0", "sample": 0, "source": "taco", "task": "code", "statement": "Print a+b.", "starter": "",
            "answer": "", "tests": STDIN, "response": None, "tokens": 0, "status": None,
        }
    ],
    "rated": [
        {
            "id": "taco/0", "task": "code", "statement": "Print a+b.", "starter": "", "answer": None, "tests": STDIN,
            "judged": 8, "pass_rate": 0.25, "difficulty": 0.75, "mean_tokens": 90.5,
        }
    ],
}  # fmt: skip
SOLUTION = "class Solution:\n    def total(self, xs, k):\n        "
SHOWN = "Write f.\n\nIt must pass this test:\nassert f(1) == 2"
TWO = ["1 2\n", "5 6\n"]
READ = {  # id, task, statement, answer, starter; of code: kind and inputs of the tests; of others: the response
    "gsm8k": [("s/0", "math", "What is 2+3?", "5", "", "2+3=5\n\\boxed{5}")],
    "math": [("s/0", "math", "Find b.", "70", "", "\\boxed{70}")],
    "math500": [
        ("s/test/precalculus/807.json", "math", "Convert.", "\\frac{\\pi}{2}", "", "\\boxed{\\frac{\\pi}{2}}")
    ],
    "matharena": [("s/1", "math", "Find it.", "-984", "", "\\boxed{-984}")],
    "aime": [("s/0", "math", "Find n.", "025", "", "n is \\boxed{25}.")],
    "acereason-math": [("s/0", "math", "What is half of 3?", "\\frac{3}{2}", "", "\\boxed{\\frac{3}{2}}")],
    "acereason-sft": [
        ("s/0", "math", "What is $2+3$?", "", "", THOUGHT),
        ("s/1", "code", "Print 5.", "", "", PROGRAM),
    ],
    "taco": [("s/0", "code", "Print a+b.", "", "", ("stdin", TWO))],
    "apps": [("s/7", "code", "Print a+b.", "", "", ("stdin", TWO))],
    "livecodebench": [
        ("s/abc370_a", "code", "Print a+b.", "", "", ("stdin", ["1 2\n"] * 3)),
        ("s/3575", "code", "Print a+b.", "", SOLUTION, ("call", [[[1, 2], 3]] * 2)),
    ],
    "deepcoder": [
        ("s/0", "code", "Twice.", "", "", ("call", [[4]])),
        ("s/1", "code", "Twice.", "", "", ("stdin", ["4\n"])),
        ("s/2", "code", "Twice.", "", "", ("call", [[4]])),
    ],
    "deepcoder-lcbv5": [
        ("s/0", "code", "Total.", "", SOLUTION, ("call", [[[1, 2], 3]])),
        ("s/1", "code", "Add.", "", "", ("stdin", ["1 2\n"])),
    ],
    "acereason-code": [("s/0", "code", "Print a+b.", "", "", ("stdin", TWO))],
    "humaneval": [
        ("s/HumanEval/0", "code", HUMANEVAL["prompt"].strip(), "", "",
         ("check", [f"{HUMANEVAL['test']}\n\ncheck(total)\n"]))
    ],
    "mbpp": [("s/2", "code", SHOWN, "", "", ("check", ["assert f(1) == 2"]))],
    "mbppplus": [("s/2", "code", SHOWN, "", "", ("check", ["for i in range(3):\n    assert f(i) == i + 1\n"]))],
    "sft": [("s/gsm8k/0", "code", "Print 5.", "", "def f():", PROGRAM)],
    "curated": [("s/gsm8k/0", "math", "What is 2+3?", "5", "", THOUGHT)],
    "curated-code": [("s/taco/0", "code", "Print a+b.", "", "", ("stdin", TWO))],
    "rated": [("s/taco/0", "code", "Print a+b.", "", "", ("stdin", TWO))],
}  # fmt: skip


def test_every_mapping_is_here():
    assert set(ROWS) == set(READ) == set(MAPPINGS)


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@pytest.mark.parametrize("name", MAPPINGS)
def test_a_published_row(tmp_path, name, ending):
    path = tmp_path / f"f.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS[name]), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS[name]))
    judged = isinstance(READ[name][0][-1], tuple)
    source = Source(str(path), name, task="code" if judged else "math")
    problems, bad = read_problems(source, "s", "k", tests=judged)
    assert bad == {}
    for problem, row, read in zip(problems, source.rows("k"), READ[name], strict=True):
        found = (problem.id, problem.task, problem.statement, problem.answer, problem.starter)
        tests = problem.tests
        assert (*found, (tests.kind, tests.inputs) if judged else source.solution(row, problem)) == read


def test_apps_as_its_script_writes_it(tmp_path):
    (tmp_path / "f.jsonl").write_text(json.dumps({"problem_id": 9} | APPS))
    ((problem,), _) = read_problems(Source(str(tmp_path / "f.jsonl"), "apps", task="code"), "s", "k", tests=True)
    assert problem.id == "s/9"


def test_rows_of_both_tasks_get_their_own_instruction(tmp_path):
    (tmp_path / "f.jsonl").write_text("\n".join(json.dumps(row) for row in ROWS["acereason-sft"]))
    problems, _ = read_problems(Source(str(tmp_path / "f.jsonl"), "acereason-sft"), "s", "k", tests=False)
    math, code = (Template().instruction(problem) for problem in problems)
    assert math == "What is $2+3$?\n\nPlease place your final answer inside \\boxed{}."
    assert code.startswith("Print 5.\n\nWrite Python code to solve the problem.")


def test_a_copy_of_the_released_data_as_the_repository_has_it(tmp_path):
    """A folder that is named like a parquet file, with Arrow files in it."""
    folder = tmp_path / "AceReason-1.1-SFT" / "sft_data.parquet"
    folder.mkdir(parents=True)
    for number, row in enumerate(ROWS["acereason-sft"]):
        table = pa.Table.from_pylist([row])
        with pa.ipc.new_stream(str(folder / f"data-0000{number}-of-00002.arrow"), table.schema) as writer:
            writer.write_table(table)
    (folder / "dataset_info.json").write_text("{}")
    (folder.parent / "README.md").write_text("# of the data")
    problems, _ = read_problems(Source(str(folder.parent), "acereason-sft"), "s", "k", tests=False)
    assert [problem.task for problem in problems] == ["math", "code"]
