import gzip
import json
import re

import pytest
from datasets import Dataset

from acereason.common.errors import UserError
from acereason.data.arithmetic import Arithmetic
from acereason.data.bad_rows import refuse_bad_rows
from acereason.data.fields import Fields
from acereason.data.loading import read_problems
from acereason.data.problems import Source
from acereason.data.programs import Programs

GSM8K = {
    "question": "Natalia sold clips ... altogether?",
    "answer": "She sold 48/2 = <<48/2=24>>24 clips in May.\nAltogether <<48+24=72>>72.\n#### 1,072",
}


def write(path, rows) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def only(source: Source):
    (row,) = source.rows("data.sources.s")
    problem = source.problem(row, 0, "s")
    return problem, source.solution(row, problem)


def test_gsm8k(tmp_path):
    problem, solution = only(Source(write(tmp_path / "f.jsonl", [GSM8K]), "gsm8k"))
    assert (problem.id, problem.statement, problem.answer) == ("s/0", GSM8K["question"], "1,072")
    assert solution == "She sold 48/2 = 24 clips in May.\nAltogether 72.\n\\boxed{1,072}"


def test_math_without_a_solution_learns_the_boxed_answer(tmp_path):
    row = {"problem": "Find x.", "answer": r"\frac{1}{2}", "type": "Algebra"}
    problem, solution = only(Source(write(tmp_path / "f.jsonl", [row]), "math"))
    assert problem.answer == r"\frac{1}{2}"
    assert solution == r"\boxed{\frac{1}{2}}"


def test_aime_from_a_json_list_keeps_the_box_it_has(tmp_path):
    (tmp_path / "f.json").write_text(
        json.dumps([{"problem": "p", "answer": "60", "solution": r"so \boxed{060}. ~Lucas"}])
    )
    problem, solution = only(Source(str(tmp_path / "f.json"), "aime"))
    assert (problem.answer, solution) == ("60", r"so \boxed{060}. ~Lucas")


def test_acereason_sft_has_responses_and_no_answers(tmp_path):
    row = {"category": "math", "source": "x", "input": "Find x.", "output": "<think>\n...</think> It is 3."}
    problem, solution = only(Source(write(tmp_path / "f.jsonl", [row]), "acereason-sft"))
    assert (problem.statement, problem.answer, solution) == ("Find x.", "", "<think>\n...</think> It is 3.")


def test_own_columns_from_parquet(tmp_path):
    Dataset.from_list([{"q": "1+1", "a": 142.0, "uid": "x7"}]).to_parquet(tmp_path / "f.parquet")
    problem, _ = only(Source(str(tmp_path / "f.parquet"), Fields("q", "a", id="uid")))
    assert (problem.id, problem.answer) == ("s/x7", "142")


PREDICTED = {"id": "s/1", "sample": 0, "task": "code", "statement": "p", "starter": "def f():", "response": "r"}


def test_what_predict_writes(tmp_path):
    problem, solution = only(Source(write(tmp_path / "f.jsonl", [PREDICTED]), "sft"))
    assert (problem.task, problem.statement, problem.starter, solution) == ("code", "p", "def f():", "r")


def test_a_task_that_is_none(tmp_path):
    with pytest.raises(UserError, match="s/s/1: task must be math, code or reasoning-gym, not 'art'"):
        only(Source(write(tmp_path / "f.jsonl", [PREDICTED | {"task": "art"}]), "sft"))


class TestSeveralFiles:
    @pytest.fixture
    def folder(self, tmp_path):
        for part, number in ((1, 2), (0, 1), (0, 0)):
            (tmp_path / f"{part}").mkdir(exist_ok=True)
            rows = [{"problem": f"{part}{number}", "answer": "1"}]
            Dataset.from_list(rows).to_parquet(tmp_path / f"{part}/{number}.parquet")
        (tmp_path / "config.json").write_text("{}")
        write(tmp_path / "0.journal.jsonl", [{"other": 1}])
        (tmp_path / ".half").mkdir()
        for half in ("0/.half.parquet", ".half/0.parquet"):
            (tmp_path / half).write_text("half")
        return tmp_path

    def test_a_folder_of_folders_in_order_and_only_its_shards(self, folder):
        assert Source(str(folder)).rows("k")["problem"][:] == ["00", "01", "12"]
        assert Source(str(folder / "0")).rows("k")["problem"][:] == ["00", "01"]

    def test_a_pattern(self, folder):
        assert Source(f"{folder}/*/[12].parquet").rows("k")["problem"][:] == ["01", "12"]

    def test_jsonl_where_there_is_no_parquet(self, tmp_path):
        for number in (1, 0):
            write(tmp_path / f"{number}.jsonl", [{"problem": str(number), "answer": "1"}])
        assert Source(str(tmp_path)).rows("k")["problem"][:] == ["0", "1"]

    @pytest.mark.parametrize("name", ["nosuch/*.parquet", "empty"])
    def test_nothing_there(self, tmp_path, name):
        (tmp_path / "empty").mkdir()
        with pytest.raises(UserError, match=rf"k\.path: no file {tmp_path}/{re.escape(name)}"):
            Source(f"{tmp_path}/{name}").rows("k")

    def test_a_compressed_file(self, tmp_path):
        line = json.dumps({"problem": "1+1", "answer": "2"})
        (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(line.encode()))
        for path in (tmp_path / "rows.jsonl.gz", tmp_path / "*.jsonl.gz", tmp_path):
            assert Source(str(path)).rows("k")["problem"][:] == ["1+1"]

    def test_several_formats(self, folder):
        write(folder / "1/1.jsonl", [{"problem": "x", "answer": "1"}])
        with pytest.raises(UserError, match=r"names files of several formats; let it end in \*\.jsonl"):
            Source(f"{folder}/1/*").rows("k")


class TestWhere:
    ROWS = [{"problem": n, "answer": "1", "status": s, "end": e} for n, s, e in ("acx", "bwx", "ccy", "dcx")]

    def test_rows_that_hold_one_of_the_values(self, tmp_path):
        path = write(tmp_path / "f.jsonl", self.ROWS)
        where = {"status": ["c", "other"], "end": ["x"]}
        assert Source(path, where=where).rows("k")["problem"][:] == ["a", "d"]
        assert Source(path, where=where, limit=1).rows("k")["problem"][:] == ["a"]

    def test_null_is_none_of_them(self, tmp_path):
        path = write(tmp_path / "f.jsonl", [{"problem": "a", "answer": "1", "status": None}, self.ROWS[0]])
        assert len(Source(path, where={"status": ["c"]}).rows("k")) == 1

    @pytest.mark.parametrize("value", [5, "5", 5.0, "5.0", True, "true", None])
    def test_numbers_and_truth_values_in_either_spelling(self, tmp_path, value):
        rows = [
            {"problem": str(cell), "answer": "1", "level": cell} for cell in (3, 5, "5", "x", True, "True", None, 0)
        ]
        source = Source(write(tmp_path / "f.jsonl", rows), where={"level": [value]})
        wanted = {"5": ["5", "5"], "true": ["True", "True"], "none": ["None"]}[str(value).lower().removesuffix(".0")]
        assert source.rows("k")["problem"][:] == wanted
        Dataset.from_list([row | {"level": 5} for row in rows[:1]]).to_parquet(tmp_path / "f.parquet")
        typed = Source(str(tmp_path / "f.parquet"), where={"level": [value, "other"]})
        if wanted[0] == "5":
            assert len(typed.rows("k")) == 1

    @pytest.mark.parametrize(
        ("where", "message"),
        [({"x": ["c"]}, r"k\.where: no column 'x'"), ({"status": ["z"]}, r"has no rows where \{'status'")],
    )
    def test_mistakes(self, tmp_path, where, message):
        with pytest.raises(UserError, match=message):
            Source(write(tmp_path / "f.jsonl", self.ROWS), where=where).rows("k")


def test_arithmetic_and_limit():
    rows = Source(arithmetic=Arithmetic([1], 10), limit=3).rows("k")
    assert len(rows) == 3


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Source("nosuch.jsonl"), r"data\.sources\.s\.path: no file nosuch\.jsonl"),
        (Source(), "give one of path, arithmetic, programs and reasoning_gym"),
        (Source(programs=Programs()), r"data\.sources\.s\.task: must be code for programs, not math"),
        (Source("x.jsonl", arithmetic=Arithmetic()), "give one of path, arithmetic, programs and reasoning_gym"),
        (Source("x.jsonl", fields="gsm9k"), r"data\.sources\.s\.fields: 'gsm9k' is no known mapping"),
    ],
)
def test_mistakes_name_the_key(source, message):
    with pytest.raises(UserError, match=message):
        source.rows("data.sources.s")


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "can't be read as json"), ("{bad", "can't be read as json"), ("[]", "no rows|can't be read")],
)
def test_files_that_are_no_data(tmp_path, text, message):
    (tmp_path / "f.json").write_text(text)
    with pytest.raises(UserError, match=message):
        Source(str(tmp_path / "f.json")).rows("data.sources.s")


def test_a_column_that_is_not_there(tmp_path):
    path = write(tmp_path / "f.jsonl", [{"question": "q", "answer": "1"}])
    with pytest.raises(UserError, match=r"has no column 'problem'; its columns are \['answer', 'question'\]"):
        Source(path).rows("data.sources.s")


def test_a_row_without_an_answer_has_an_empty_one(tmp_path):
    path = write(tmp_path / "f.jsonl", [{"problem": "q", "answer": None}, {"problem": "q", "answer": "1"}])
    source = Source(path)
    assert [source.problem(row, i, "s").answer for i, row in enumerate(source.rows("k"))] == ["", "1"]


RESPONSES = {
    "": "",
    "<think>\nit was cut": "<think>\nit was cut",
    "I cannot help with that.": "I cannot help with that.",
    "The answer is 9.": "The answer is 9.",
    "So \\boxed{9}.": "So \\boxed{9}.",
}


class TestResponses:
    @pytest.mark.parametrize("response", RESPONSES)
    def test_a_models_response_stays_as_it_is(self, tmp_path, response):
        path = write(tmp_path / "f.jsonl", [{"problem": "p", "answer": "4", "r": response}])
        assert only(Source(path, Fields(solution="r")))[1] == response

    def test_a_worked_solution_gets_a_box_where_it_has_none(self, tmp_path):
        rows = [{"problem": "p", "answer": "4", "r": text} for text in ("2+2 is 4.", "It is \\boxed{4}.", "", None)]
        source = Source(write(tmp_path / "f.jsonl", rows), Fields(solution="r", worked=True))
        found = [source.solution(row, source.problem(row, 0, "s")) for row in source.rows("k")]
        assert found == ["2+2 is 4.\n\\boxed{4}", "It is \\boxed{4}.", "", ""]

    @pytest.mark.parametrize(("text", "answer"), [("So \\boxed{5}.", "5"), ("It is clear.", ""), (None, "")])
    def test_a_solution_that_is_the_answer_too(self, tmp_path, text, answer):
        path = write(tmp_path / "f.jsonl", [{"problem": "p", "s": text}, {"problem": "q", "s": "x"}])
        source = Source(path, Fields(answer="s", solution="s", worked=True), limit=1)
        problem, solution = only(source)
        assert (problem.answer, solution) == (answer, text or "")

    def test_what_is_no_text_is_a_bad_row(self, tmp_path):
        path = write(tmp_path / "f.jsonl", [{"problem": "p", "answer": "4", "r": {"text": "x"}}])
        with pytest.raises(UserError, match="s/0: r: a mapping, not a text"):
            only(Source(path, Fields(solution="r")))


class TestBadRows:
    def test_an_error_lists_them(self):
        bad = {f"s/{n}": "no answer" for n in range(12)}
        with pytest.raises(UserError, match=r"12 of 20 rows.*s/9 \(no answer\) and 2 more; .*bad_rows: exclude"):
            refuse_bad_rows(bad, 20, "data.sources.s", "error")

    def test_excluding_tells_how_many_and_shows_some(self, capsys):
        refuse_bad_rows({f"s/{n}": "no answer" for n in range(1012)}, 2000, "data.sources.s", "exclude")
        (line,) = capsys.readouterr().out.splitlines()
        assert line.startswith("data.sources.s: 1,012 of 2,000 rows excluded: s/0 (no answer), ")
        assert line.endswith("s/9 (no answer) and 1,002 more")

    def test_excluding_everything_is_an_error(self):
        with pytest.raises(UserError, match="none of the 1 rows"):
            refuse_bad_rows({"s/0": "no answer"}, 1, "data.sources.s", "exclude")


STDIN = {"inputs": ["1\n"], "outputs": ["2\n"]}
CASE = {"input": "[1]\n2", "output": "3", "testtype": "functional"}


def test_half_a_surrogate_pair_and_what_is_no_text(tmp_path):
    rows = [{"problem": "a\ud83d", "answer": "1"}, {"problem": "p", "answer": "\udc00"}, {"problem": "p", "answer": {}}]
    problems, bad = read_problems(Source(write(tmp_path / "f.jsonl", rows)), "s", "k", tests=False)
    half = "half of a surrogate pair at character {}, which is no Unicode"
    assert (problems, bad) == (
        [],
        {"s/0": half.format(2), "s/1": half.format(1), "s/2": "answer: a mapping, not a text"},
    )


CODE_ROWS = {
    "taco": {"question": "Double it.", "input_output": json.dumps(STDIN), "starter_code": "", "difficulty": "EASY"},
    "apps": {"problem_id": 7, "question": "Double it.", "input_output": json.dumps(STDIN), "starter_code": ""},
    "livecodebench": {
        "question_content": "Add.",
        "question_id": "abc1",
        "starter_code": "class Solution:\n    def add(self, xs, y):",
        "public_test_cases": json.dumps([CASE]),
        "private_test_cases": json.dumps([CASE]),
        "metadata": json.dumps({"func_name": "add"}),
    },
    "acereason-code": {"problem": "Double it.", "tests": json.dumps(STDIN)},
    "humaneval": {
        "task_id": "HumanEval/0",
        "prompt": "def f(x):\n",
        "entry_point": "f",
        "test": "def check(c):\n    pass",
    },
    "mbpp": {"task_id": 2, "text": "Write f.", "test_list": ["assert f(1) == 2"], "test_setup_code": ""},
    "mbppplus": {
        "task_id": 2,
        "prompt": "Write f.",
        "test_list": ["assert f(1) == 2"],
        "test_imports": [],
        "test": "for i in range(3):\n    assert f(i) == i + 1",
    },
}
MADE = {  # id, statement, starter, kind, inputs
    "taco": ("s/0", "Double it.", "", "stdin", ["1\n"]),
    "apps": ("s/7", "Double it.", "", "stdin", ["1\n"]),
    "livecodebench": ("s/abc1", "Add.", "class Solution:\n    def add(self, xs, y):", "call", [[[1], 2]] * 2),
    "acereason-code": ("s/0", "Double it.", "", "stdin", ["1\n"]),
    "humaneval": ("s/HumanEval/0", "def f(x):", "", "check", ["def check(c):\n    pass\n\ncheck(f)\n"]),
    "mbpp": ("s/2", "Write f.\n\nIt must pass this test:\nassert f(1) == 2", "", "check", ["assert f(1) == 2"]),
    "mbppplus": (
        "s/2",
        "Write f.\n\nIt must pass this test:\nassert f(1) == 2",
        "",
        "check",
        ["for i in range(3):\n    assert f(i) == i + 1"],
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_code_datasets(tmp_path, name):
    source = Source(write(tmp_path / "f.jsonl", [CODE_ROWS[name]]), name, task="code")
    (problem,), bad = read_problems(source, "s", "data.sources.s", tests=True)
    assert bad == {}
    found = (problem.id, problem.statement, problem.starter, problem.tests.kind, problem.tests.inputs)
    assert found == MADE[name]
    assert (problem.task, problem.answer) == ("code", "")


def test_code_rows_without_usable_tests_are_bad_rows(tmp_path):
    good, none, broken = (CODE_ROWS["taco"] | {"input_output": text} for text in (json.dumps(STDIN), "", "{"))
    source = Source(write(tmp_path / "f.jsonl", [good, none, broken]), "taco", task="code")
    problems, bad = read_problems(source, "s", "data.sources.s", tests=True)
    assert bad == {
        "s/1": "no tests",
        "s/2": "tests are neither JSON nor LiveCodeBench's packed form: '{'",
    }
    assert [(problem.id, problem.tests.kind) for problem in problems] == [("s/0", "stdin")]


def test_a_code_source_without_columns_of_tests_says_so(tmp_path):
    source = Source(write(tmp_path / "f.jsonl", [{"problem": "p", "answer": "1"}]), "math", task="code")
    with pytest.raises(ValueError, match="no columns of tests are named"):
        source.tests(source.rows("data.sources.s")[0])
