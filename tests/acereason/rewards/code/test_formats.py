import base64
import json
import pickle
import zlib

import pytest

from acereason.rewards.code.formats import parse_tests


def packed(value) -> str:
    """LiveCodeBench's form."""
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(value)))).decode()


STDIN = {"inputs": ["1\n", ["2", "3"]], "outputs": ["1", ["5", ""]]}
CALL = {"fn_name": "add", "inputs": [[1, 2], ["a", [3]]], "outputs": [[3], [["x"]]]}


@pytest.mark.parametrize("form", [STDIN, json.dumps(STDIN), {"input_output": json.dumps(STDIN)}, {"tests": STDIN}])
def test_apps_and_taco_stdin(form):
    tests = parse_tests(form)
    assert (tests.kind, tests.inputs, tests.outputs) == ("stdin", ["1\n", "2\n3"], ["1", "5\n"])


def test_apps_and_taco_calls():
    tests = parse_tests(json.dumps(CALL))
    assert (tests.kind, tests.function, tests.wrapped) == ("call", "add", True)
    assert (tests.inputs, tests.outputs) == ([[1, 2], ["a", [3]]], [[3], [["x"]]])
    assert not parse_tests({**CALL, "type": "call"}).wrapped
    assert not parse_tests({**CALL, "outputs": [[3], [1, 2]]}).wrapped


def test_livecodebench_stdin():
    case = {"input": "1 2\n", "output": "3", "testtype": "stdin"}
    row = {"public_test_cases": json.dumps([case]), "private_test_cases": packed([case] * 2), "metadata": "{}"}
    tests = parse_tests(row)
    assert (tests.kind, tests.inputs, tests.outputs) == ("stdin", ["1 2\n"] * 3, ["3"] * 3)
    assert parse_tests(packed([case])).outputs == ["3"]


def test_livecodebench_functional():
    case = {"input": '[1, 2]\n"a"', "output": "[true, null]", "testtype": "functional"}
    row = {"public_test_cases": json.dumps([case]), "private_test_cases": "[]", "metadata": '{"func_name": "f"}'}
    tests = parse_tests(row)
    assert (tests.kind, tests.function) == ("call", "f")
    assert (tests.inputs, tests.outputs) == ([[[1, 2], "a"]], [[True, None]])


def test_strings_in_packed_tests_do_not_count():
    case = {"input": 'a,[{"\\' * 400_000, "output": "3", "testtype": "stdin"}
    assert parse_tests(packed([case])).inputs == [case["input"]]


@pytest.mark.parametrize(
    ("outputs", "wrapped"), [([[8], [10]], True), ([8, 10], False), ([[8], [1, 2]], False), ([[[8]], [[10]]], True)]
)
def test_deepcoders_values_stand_in_a_list_of_their_own(outputs, wrapped):
    case = {"fn_name": "twice", "type": "function_call"}
    tests = parse_tests(json.dumps([case | {"input": [4], "output": output} for output in outputs]))
    assert (tests.kind, tests.function, tests.outputs, tests.wrapped) == ("call", "twice", outputs, wrapped)


@pytest.mark.parametrize("metadata", [{"func_name": "total"}, '{"func_name": "total"}'])
def test_the_function_in_the_rows_metadata(metadata):
    case = {"input": "[1, 2]\n3", "output": "[9]", "testtype": "functional"}
    tests = parse_tests({"tests": json.dumps([case]), "metadata": metadata})
    assert (tests.function, tests.inputs, tests.outputs, tests.wrapped) == ("total", [[[1, 2], 3]], [[9]], False)
    with pytest.raises(ValueError, match="need the function's name"):
        parse_tests({"tests": json.dumps([case]), "metadata": "{}"})


def test_lists_of_cases():
    assert parse_tests([{"input": 1, "output": 2, "type": "stdin_stdout"}]).inputs == ["1"]
    tests = parse_tests(json.dumps([{"input": [1], "output": "2", "type": "function_call", "fn_name": "f"}]))
    assert (tests.function, tests.inputs, tests.outputs) == ("f", [[1]], ["2"])


def test_humaneval_keeps_the_prompts_helpers():
    row = {
        "prompt": "import math\n\ndef helper(x):\n    return x\n\ndef f(x):\n    '''doc'''\n",
        "entry_point": "f",
        "test": "def check(candidate):\n    assert candidate(1) == helper(1)",
    }
    tests = parse_tests(row)
    assert tests.inputs[0].endswith("check(f)\n")
    assert tests.setup == "import math\n\ndef helper(x):\n    return x\n\n"
    assert not tests.forgeable


def test_mbpp_and_its_plus():
    row = {"test_list": ["assert f(1) == 1", "assert f(2) == 2"], "test_setup_code": "import math"}
    assert (parse_tests(row).inputs, parse_tests(row).setup.strip()) == (row["test_list"], "import math")
    plus = {"test": "for i in range(3):\n    assert f(i) == i", "test_list": ["x"], "test_imports": ["import re"]}
    assert (parse_tests(plus).inputs, parse_tests(plus).setup.strip()) == ([plus["test"]], "import re")


def test_assertions_scripts_and_pytest():
    assert parse_tests(["assert f(1) == 1"]).kind == "check"
    assert parse_tests({"type": "assert", "tests": ["assert f(1) == 1"], "setup": None}).setup == ""
    assert parse_tests({"type": "pytest", "tests": "def test_f():\n    pass"}).pytest
    assert "builds on" in parse_tests(["class Mine(Theirs): pass"]).forgeable
    assert not parse_tests(["assert f(lambda: 1) == 1"]).forgeable


class Bomb:
    def __reduce__(self):
        return print, ("code ran",)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "no tests"),
        ("", "no tests"),
        ([], "no tests"),
        ({"inputs": [], "outputs": []}, "no tests"),
        ("not json", "neither JSON nor"),
        ({"inputs": ["1"], "outputs": []}, "as many outputs as inputs"),
        ({"inputs": ["1"]}, "as many outputs as inputs"),
        ({"foo": 1}, "no known format of tests has the keys ['foo']"),
        ({"type": "call", "inputs": [[1]], "outputs": [1]}, "need fn_name"),
        ({"type": "rust", "tests": ""}, "type 'rust' are not known"),
        ({"type": "assert", "tests": ["assert ("]}, "the tests are no Python"),
        ({"type": "assert", "tests": "assert f()"}, "need a list of assertions"),
        ([{"input": "1"}], "each test needs an input and an output"),
        ([{"input": "1", "output": "1", "testtype": "functional"}], "need the function's name"),
        ([{"input": "x", "output": "1", "fn_name": "f", "testtype": "functional"}], "value is no JSON: 'x'"),
        ({"inputs": ["\ud800"], "outputs": ["1"]}, "no valid Unicode"),
        (base64.b64encode(zlib.compress(pickle.dumps(Bomb()))).decode(), "must not name"),
        (base64.b64encode(zlib.compress(pickle.dumps([json.dumps([])]))).decode(), "anything but a text (EMPTY_LIST)"),
        (base64.b64encode(zlib.compress(pickle.dumps("[]")[:-1])).decode(), "neither JSON nor"),
        (base64.b64encode(zlib.compress(bytes(2**27 + 1))).decode(), "packed tests of more than 128 MiB"),
        (packed([[]] * 1_000_001), "packed tests of more than 1,000,000 values"),
        ('{"inputs": [1' + "0" * 4300 + '], "outputs": [1]}', "an integer of more than 4,300 digits"),
        ({"public_test_cases": '{"input": "1"}'}, "tests must be a list, not dict"),
        (base64.b64encode(zlib.compress(b"\x80\x04N."))[:-3].decode(), "neither JSON nor"),
    ],
)
def test_bad_tests_say_why(value, told, capsys):
    with pytest.raises(ValueError, match=r"\w") as raised:
        parse_tests(value)
    assert told in f"{raised.value} {raised.value.__cause__}"
    assert "\n" not in str(raised.value)
    assert "code ran" not in capsys.readouterr().out
