"""Read the tests of code problems, from every format that public datasets use.

| shape | from |
|---|---|
| `{"type": "stdin", "inputs", "outputs"}`, `{"type": "call", "fn_name", "inputs", "outputs"}` | this project |
| `{"type": "assert", "tests": [...], "setup"}`, `{"type": "script" or "pytest", "tests": "..."}` | this project |
| `{"inputs", "outputs", "fn_name"?}`, or its JSON | APPS, TACO: `input_output` |
| `[{"input", "output", "testtype"?, "metadata"?, "fn_name"?}]`, or its JSON | LiveCodeBench, DeepCoder, codeforces |
| base64 of zlib of a pickle of the latter's JSON | LiveCodeBench's private tests |
| `{"public_test_cases", "private_test_cases", "metadata"}` | a LiveCodeBench row |
| `{"tests", "metadata"}` | a row of DeepCoder's lcbv5 |
| `{"test", "entry_point", "prompt"?}` | HumanEval, HumanEval+ |
| `{"test_list" or "test", "test_setup_code"? or "test_imports"?}` | MBPP, MBPP+ |
| `["assert ...", ...]` | lists of assertions |
"""

import ast
import json
from collections.abc import Callable
from typing import Any

from acereason.common.types import Tests
from acereason.rewards.code.crossing import crossing
from acereason.rewards.code.packed import unpacked


def parse_tests(value: Any) -> Tests:
    """Return the tests of a dataset's row.

    Raises:
        ValueError: no format above fits, or there is no test; the message says why in one line.
    """
    if value is None or isinstance(value, str) and not value.strip():
        raise ValueError("no tests")
    value = unpacked(value) if isinstance(value, str) else value
    if isinstance(value, dict):
        tests = _from_mapping(value)
    elif isinstance(value, list):
        tests = _from_list(value)
    else:
        raise ValueError(f"tests must be a mapping or a list, not {type(value).__name__}")
    return tests


def _from_mapping(value: dict[str, Any]) -> Tests:
    # why: in this order: a row of HumanEval has `test`, too,
    # and one of this project may have `inputs` or `tests`
    readers: dict[str, Callable[[dict[str, Any]], Tests]] = {
        "type": _typed, "public_test_cases": _livecodebench, "private_test_cases": _livecodebench,
        "inputs": _input_output, "input_output": lambda row: parse_tests(row["input_output"]),
        "entry_point": _humaneval, "test_list": _mbpp, "test": _mbpp, "tests": _tests_and_metadata,
    }  # fmt: skip
    for key, read in readers.items():
        if value.get(key) is not None:
            return read(value)
    raise ValueError(f"no known format of tests has the keys {sorted(value)}")


def _from_list(value: list[Any]) -> Tests:
    if not value:
        raise ValueError("no tests")
    if all(isinstance(item, str) for item in value):
        return _check(value)
    return _cases(value)


def _typed(value: dict[str, Any]) -> Tests:
    kind = value["type"]
    if kind in ("stdin", "call"):
        tests = _input_output({**value, "fn_name": value.get("fn_name") if kind == "call" else None})
        if kind == "call" and not tests.function:
            raise ValueError("tests of type call need fn_name")
        # why: this project's own format never puts values into lists of their own
        tests.wrapped = False
        return tests
    if kind in ("script", "pytest"):
        return _check([str(value["tests"])], value.get("setup"), pytest=kind == "pytest")
    if kind == "assert":
        return _check(value["tests"], value.get("setup"))
    if "input" in value:
        return _cases([value])
    raise ValueError(f"tests of type {kind!r} are not known; there are stdin, call, assert, script and pytest")


def _input_output(value: dict[str, Any]) -> Tests:
    """Read the `input_output` of APPS and TACO."""
    function = value.get("fn_name") or ""
    inputs, outputs = value["inputs"], value.get("outputs")
    if not isinstance(inputs, list) or not isinstance(outputs, list) or len(inputs) != len(outputs):
        raise ValueError("tests need as many outputs as inputs, in lists")
    if not inputs:
        raise ValueError("no tests")
    if not function:
        return Tests("stdin", [_text(item) for item in inputs], [_text(item) for item in outputs])
    # why: both sets put a call's value into a list of its own, which shows where every value is one
    wrapped = all(isinstance(item, list) and len(item) == 1 for item in outputs)
    return Tests("call", [_arguments(item) for item in inputs], outputs, function, wrapped=wrapped)


def _livecodebench(row: dict[str, Any]) -> Tests:
    cases: list[Any] = []
    for key in ("public_test_cases", "private_test_cases"):
        cases += _list(row.get(key) or [])
    return _cases(cases, _function_in(row.get("metadata")))


def _tests_and_metadata(row: dict[str, Any]) -> Tests:
    # why: DeepCoder's lcbv5 names the function in the row's metadata, not in each test
    function = _function_in(row.get("metadata"))
    tests = row["tests"]
    if not function:
        return parse_tests(tests)
    return _cases(_list(tests), function)


def _list(value: Any) -> list[Any]:
    value = unpacked(value) if isinstance(value, str) else value
    if not isinstance(value, list):
        raise ValueError(f"tests must be a list, not {type(value).__name__}")
    return value


def _function_in(metadata: Any) -> str:
    """Return the function that metadata, or its JSON, names; empty where it names none."""
    metadata = json.loads(metadata) if isinstance(metadata, str) and metadata.strip() else metadata
    return (metadata.get("func_name") or "") if isinstance(metadata, dict) else ""


def _cases(cases: list[Any], function: str = "") -> Tests:
    """Read a list of single cases."""
    if not cases:
        raise ValueError("no tests")
    if not all(isinstance(case, dict) and "input" in case and "output" in case for case in cases):
        raise ValueError("each test needs an input and an output")
    names = {_function_of(case) for case in cases} - {""} | ({function} if function else set())
    kinds = {case.get("testtype") or case.get("type") or ("functional" if names else "stdin") for case in cases}
    if len(kinds) > 1 or len(names) > 1:
        raise ValueError(f"tests mix {sorted(kinds)} or functions {sorted(names)}")
    if kinds <= {"stdin", "stdin_stdout"}:
        return Tests("stdin", [_text(case["input"]) for case in cases], [_text(case["output"]) for case in cases])
    if not names:
        raise ValueError("functional tests need the function's name (metadata.func_name or fn_name)")
    # why: LiveCodeBench's functional outputs are JSON texts; other sets give the values themselves
    outputs = [_json_value(case["output"]) if kinds == {"functional"} else case["output"] for case in cases]
    # why: DeepCoder's primeintellect rows come from APPS
    # and TACO, whose values stand in a list of their own
    wrapped = kinds == {"function_call"} and all(isinstance(output, list) and len(output) == 1 for output in outputs)
    return Tests("call", [_arguments(case["input"]) for case in cases], outputs, names.pop(), wrapped=wrapped)


def _function_of(case: dict[str, Any]) -> str:
    return case.get("fn_name") or _function_in(case.get("metadata"))


def _humaneval(row: dict[str, Any]) -> Tests:
    # why: the prompt's helper functions become the tests' own, so that a response can't replace them
    entry = str(row["entry_point"])
    before = str(row.get("prompt") or "").partition(f"def {entry}(")[0]
    return _check([f"{row['test']}\n\ncheck({entry})\n"], before)


def _mbpp(row: dict[str, Any]) -> Tests:
    imports = row.get("test_imports") or []
    setup = "\n".join([*imports, row.get("test_setup_code") or row.get("setup") or ""])
    if row.get("test"):
        return _check([str(row["test"])], setup)
    return _check(row["test_list"], setup)


def _check(sources: list[Any], setup: Any = "", pytest: bool = False) -> Tests:
    if not isinstance(sources, list) or not sources or not all(isinstance(source, str) for source in sources):
        raise ValueError("tests of type assert need a list of assertions")
    setup = str(setup or "")
    try:
        ast.parse(setup)
        sources = _one_after_another(sources)
        reasons = [crossing(source) for source in sources]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"the tests are no Python: {error}") from error
    forgeable = next((reason for reason in reasons if reason), "")
    return Tests("check", sources, setup=setup, pytest=pytest, forgeable=forgeable)


def _one_after_another(sources: list[str]) -> list[str]:
    """Return all sources as one test where one uses a name that an earlier one defines; else each as its own."""
    bound: set[str] = set()
    for source in sources:
        names = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
        if bound & {node.id for node in names if isinstance(node.ctx, ast.Load)}:
            return ["\n".join(sources)]
        bound |= {name for statement in ast.parse(source).body for name in _bound(statement)}
    return sources


def _bound(statement: ast.stmt) -> set[str]:
    """Return the names that a top-level statement defines."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
    nodes = [] if isinstance(statement, (ast.Assert, ast.Expr)) else ast.walk(statement)
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _text(value: Any) -> str:
    """Return a test's text; APPS gives some as lists of lines."""
    text = "\n".join(map(str, value)) if isinstance(value, list) else str(value)
    # why: half of a surrogate pair can't be written to a program's input; the row is refused here instead
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"a test's text is no valid Unicode: {error}") from error
    return text


def _arguments(value: Any) -> list[Any]:
    """Return a call's arguments; LiveCodeBench writes one JSON value on each line."""
    if isinstance(value, str):
        return [_json_value(line) for line in value.strip().split("\n")]
    if not isinstance(value, list):
        raise ValueError(f"the input of a call must be the list of its arguments, not {type(value).__name__}")
    return value


def _json_value(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"a functional test's value is no JSON: {value[:80]!r}") from error
