import threading
from concurrent.futures import ProcessPoolExecutor

import pytest

from acereason.processes.forkserver import CONTEXT
from acereason.rewards.code import sandboxes as sandboxes_module
from acereason.rewards.code.formats import parse_tests
from acereason.rewards.code.settings import CodeSettings
from acereason.rewards.code.verdict import deadline, gold_problem, verify
from acereason.sandbox import SandboxError

SETTINGS = CodeSettings(seconds=1)


def judged(program: str, tests, **settings):
    return verify(f"```python\n{program}\n```", parse_tests(tests), CodeSettings(**{"seconds": 1} | settings))


def outcomes(program: str, tests, **settings) -> list[str]:
    return judged(program, tests, **settings).detail["tests"]


DOUBLE = {"inputs": ["1\n", "2\n", "3\n"], "outputs": ["2\n", "4\n", "6\n"]}
ADD = {"type": "call", "fn_name": "add", "inputs": [[1, 2], [3, 4]], "outputs": [3, 7]}


def asserts(*sources: str, setup: str = "") -> dict:
    return {"type": "assert", "tests": list(sources), "setup": setup}


def script(source: str, setup: str = "") -> dict:
    return {"type": "script", "tests": source, "setup": setup}


def test_correct_means_every_test():
    verdict = judged("print(int(input()) * 2)", DOUBLE)
    assert (verdict.status, verdict.reward) == ("correct", 1.0)
    assert verdict.detail["extracted"] == "print(int(input()) * 2)\n"
    assert verdict.detail["tests"] == ["passed"] * 3
    assert len(verdict.detail["seconds_each"]) == 3


def test_training_stops_at_the_first_failure_and_evaluation_goes_on():
    program = "n = int(input())\nprint(n * 2 if n != 2 else 1 / 0)"
    assert outcomes(program, DOUBLE) == ["passed", "runtime error", "not run"]
    verdict = judged(program, DOUBLE, stop_at_first_failure=False)
    assert (verdict.status, verdict.reward) == ("wrong", 0.0)
    assert verdict.detail["tests"] == ["passed", "runtime error", "passed"]
    assert "test 1: runtime error" in verdict.detail["note"]
    assert "ZeroDivisionError" in verdict.detail["note"]


@pytest.mark.parametrize("text", ["", "no code", "```python\n", "<think>\n```python\nprint(2)\n```\n</think>"])
def test_no_code_is_wrong(text):
    verdict = verify(text, parse_tests(DOUBLE), SETTINGS)
    assert (verdict.status, verdict.detail["extracted"]) == ("wrong", None)


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("import sys\nfor line in sys.stdin: print(int(line) * 2)", "passed"),
        ("import sys; print(int(sys.stdin.buffer.readline()) * 2)", "passed"),
        ("import os; print(int(os.read(0, os.fstat(0).st_size)) * 2)", "passed"),
        ("print(int(open(0).read()) * 2)", "passed"),
        ("print(int(open('/dev/stdin').read()) * 2)", "passed"),
        ("import os; os.write(1, b'%d' % (int(input()) * 2))", "passed"),
        ("import sys; sys.stdout.buffer.write(b'%d' % (int(input()) * 2))", "passed"),
        ("import atexit; atexit.register(lambda: print(int(input()) * 2))", "passed"),
        ("if __name__ == '__main__':\n    print(int(input()) * 2)", "passed"),
        ("x = 0\ndef f():\n    global x\n    x = int(input()) * 2\nf()\nprint(x)", "passed"),
        ("print(sum([int(input())] * 2), flush=True)\nexit()", "passed"),
        ("import threading\nt = threading.Thread(target=lambda: print(int(input()) * 2))\nt.start()", "passed"),
        ("@dataclass\nclass A:\n    x: int\nprint(A(int(input())).x * 2)", "runtime error"),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\nprint(A(int(input())).x * 2)", "passed"),
        ("print(Counter('ab').total() * int(input()))", "passed"),
        ("print(gcd(0, int(input())) * 2)", "passed"),
        ("open('f', 'w').write(input()); print(int(open('f').read()) * 2)", "passed"),
        ("print(int(input()) * 2); raise SystemExit(1)", "runtime error"),
        ("print(int(input()) * 2); exit('bye')", "runtime error"),
        ("import sys; sys.stdout.buffer.write(b'\\xff')", "wrong"),
        ("print(int(input()) * 2)\n# -*- coding: rot13 -*-", "passed"),
    ],
)
def test_programs_as_people_write_them(program, found):
    assert outcomes(program, {"inputs": ["1\n"], "outputs": ["2\n"]}) == [found]
    if found == "passed":
        assert outcomes(program, {"inputs": ["1\n"], "outputs": ["3\n"]}) == ["wrong"]


def test_livecodebench_forgives_an_exit_code():
    program = "print(int(input()) * 2); raise SystemExit(1)"
    assert outcomes(program, DOUBLE, comparator="livecodebench") == ["passed"] * 3
    assert (
        outcomes(program.replace("SystemExit(1)", "KeyError"), DOUBLE, comparator="livecodebench")[0] == "runtime error"
    )


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("def add(a, b): return a + b", ["passed"] * 2),
        ("class Solution:\n    def add(self, a: int, b: int) -> List[int]:\n        return a + b", ["passed"] * 2),
        ("add = lambda a, b: a + b\nprint('noise')", ["passed"] * 2),
        ("def add(a, b, seen=[]):\n    seen.append(a)\n    return a + b if len(seen) == 1 else 0", ["passed"] * 2),
        ("def add(a, b): return 3", ["passed", "wrong"]),
        ("def sub(a, b): return a - b", ["runtime error", "not run"]),
        ("def add(a): return a", ["runtime error", "not run"]),
        ("def add(a, b): raise SystemExit(0)", ["runtime error", "not run"]),
        ("import os; os._exit(0)", ["runtime error", "not run"]),
        ("import sys; sys.exit(0)", ["runtime error", "not run"]),
        ("def add(a, b):\n    import os\n    os.write(3, b'3')\n    os._exit(0)", ["passed", "wrong"]),
        ("def add(a, b): return 'x' * 10 ** 6", ["runtime error", "not run"]),
        ("def add(a, b): return add", ["wrong", "not run"]),
        ("def add(a, b):\n    x = []\n    x.append(x)\n    return x", ["runtime error", "not run"]),
        ("def add(a, b):\n    while True: pass", ["time", "not run"]),
    ],
)
def test_calls(program, found):
    assert outcomes(program, ADD) == found


def test_a_function_of_the_prelude_is_not_the_programs():
    """`from operator import *` has an `add`."""
    assert outcomes("x = 1", ADD) == ["runtime error", "not run"]
    assert outcomes("x = 1", asserts("assert add(1, 2) == 3")) == ["runtime error"]
    assert outcomes("x = 1", script("def check(f):\n    assert f(1, 2) == 3\ncheck(add)")) != ["passed"]


def test_wrapped_outputs_of_apps():
    tests = {"fn_name": "add", "inputs": [[1, 2], [3, 4]], "outputs": [[3], [7]]}
    assert outcomes("def add(a, b): return a + b", tests) == ["passed"] * 2
    assert outcomes("def add(a, b): return [a + b]", tests) == ["passed"] * 2
    assert outcomes("def add(a, b): return a + b", {**tests, "type": "call"})[0] == "wrong"


LIES = [
    """
class Lie(int):
    def __eq__(self, other): return True
    __hash__ = int.__hash__
""",
    """
class Lie(list):
    def __init__(self, *a): pass
    def __eq__(self, other): return True
""",
    """
class Lie:
    def __init__(self, *a): pass
    def __eq__(self, other): return True
    def __sub__(self, other): return 0
    def __lt__(self, other): return True
    __abs__ = __float__ = lambda self: 0
""",
]
FORGED = [
    *(lie + "def add(a, b): return Lie(0)" for lie in LIES),
    "import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.sorted = lambda *a: 3\ndef add(a, b): return 0",
    "import sys\nf = sys._getframe()\nwhile f.f_back: f = f.f_back\ndef add(a, b): return str(f.f_locals)",
    "abs = check = candidate = lambda *a: 0\nmath = isclose = None\ndef add(a, b): return 0",
    'import os\nos.write(3, b\'{"value": 3, "args": []}\\n\' * 100)\ndef add(a, b): return 0',
    "import os\nos.write(3, b'\\n' * 10 + b'x' * 1000)\ndef add(a, b): return 0",
    "import os\ndef add(a, b): os._exit(0)",
    "import os\nos.close(3)\ndef add(a, b): return 3",
    """
import sys
class Fake:
    def __getattr__(self, name): return lambda *a: 3
sys.modules['tests'] = sys.modules['solution'] = Fake()
def add(a, b): return 0
""",
]
STACK = """
class Stack:
    def __init__(self): self.a = []
    def push(self, x): self.a.append(x)
    def __len__(self): return len(self.a)
"""
FRACTION = "from fractions import Fraction\n"
FORMS = [
    asserts("assert add(1, 2) == 3"),
    asserts("assert abs(add(1, 2) - 3) < 1e-6"),
    script("def check(candidate):\n    for a in range(3):\n        assert candidate(a, 2) == a + 2\ncheck(add)"),
    script("import math\nassert math.isclose(add(1, 2), 3)"),
    {"type": "pytest", "tests": "from solution import add\ndef test_add():\n    assert add(1, 2) == 3"},
]


@pytest.mark.parametrize("tests", FORMS)
def test_assertions_cannot_be_forged(tests):
    assert outcomes("def add(a, b): return a + b", tests) == ["passed"]
    for program in FORGED:
        verdict = judged(program, tests)
        assert verdict.status == "wrong", (program, verdict.detail)


@pytest.mark.parametrize(
    ("program", "source"),
    [
    (STACK, "s = Stack()\ns.push(1)\nassert len(s) == 1 and s.a == [1] and isinstance(s, Stack)"),
        ("def sort(a): a.sort()", "a = [3, 1]\nsort(a)\nassert a == [1, 3]"),
        ("def fill(d): d['x'] = {1}", "d = {}\nassert fill(d) is None and d == {'x': {1}}"),
        ("def f(x):\n    if x < 0: raise ValueError('negative')\n    return x",
         "try:\n    f(-1)\n    assert False\nexcept ValueError as error:\n    assert 'neg' in str(error)"),
        ("import re\npattern = re.compile('a')", "assert pattern is not None and pattern.match('a')"),
        ("ok = True", "assert ok"),
        ("def sum(a, b): return a * b", "assert sum(2, 3) == 6 and sum(2, 2) == 4"),
        ("def g():\n    yield 1\n    yield 2", "assert list(g()) == [1, 2]"),
        ("def f(): return {1: (2, [3.5])}", "assert f() == {1: (2, [3.5])} and f()[1][1][0] == 3.5"),
        (FRACTION + "def f(): return Fraction(1, 3)", FRACTION + "assert f() == Fraction(1, 3)"),
    ],
)  # fmt: skip
def test_what_test_code_may_do(program, source):
    verdict = judged(program, script(source))
    assert verdict.status == "correct", verdict.detail


def test_the_tests_keep_their_own_helpers():
    """HumanEval/32 checks a root by the prompt's own `poly`, which a response must not replace."""
    row = {
        "prompt": "def poly(x): return x - 2\n\ndef root():\n    ...\n",
        "entry_point": "root",
        "test": "def check(candidate):\n    assert poly(candidate()) == 0",
    }
    assert outcomes("def root(): return 2", row) == ["passed"]
    assert outcomes("def poly(x): return 0\ndef root(): return 5", row) == ["wrong"]


def test_the_programs_own_trouble_shows_through_the_examiner():
    tests = script("for i in range(3):\n    assert f(i) == i")
    assert outcomes("def f(x):\n    while True: pass", tests) == ["time"]
    assert outcomes("def f(x): return [0] * 10 ** 12", tests) == ["runtime error"]
    assert outcomes("def f(x): return x / 0", tests) == ["runtime error"]
    assert outcomes("def f(x", tests) == ["syntax error"]
    assert outcomes("raise SystemExit", tests) == ["runtime error"]
    assert "assert f(i) == i" in judged("def f(x): return 0", tests).detail["note"]


def test_parametrized_pytest():
    pytest_tests = (
        "import pytest\nfrom solution import f\n"
        "@pytest.mark.parametrize('x, y', [(1, 2), (2, 4)])\ndef test_f(x, y):\n    assert f(x) == y\n"
        "class TestMore:\n    def test_raises(self):\n        with pytest.raises(TypeError):\n            f(None)\n"
    )
    assert outcomes("def f(x): return x * 2", {"type": "pytest", "tests": pytest_tests}) == ["passed"]
    assert outcomes("def f(x): return 2", {"type": "pytest", "tests": pytest_tests}) == ["wrong"]


def test_forgeable_tests_are_refused_unless_allowed():
    tests = script("class Mine(Theirs):\n    def f(self): return self.g(3) + 1\nassert Mine().f() == 4")
    program = "class Theirs:\n    def g(self, x): return x"
    assert judged(program, tests).status == "error"
    assert "forgeable" in gold_problem(parse_tests(tests), SETTINGS)
    assert gold_problem(parse_tests(tests), CodeSettings(forgeable="allow")) is None
    assert judged(program, tests, forgeable="allow").status == "correct"
    assert judged("class Theirs:\n    def g(self, x): return 0", tests, forgeable="allow").status == "wrong"


def test_tests_that_need_what_is_not_there_are_errors():
    verdict = judged("x = 1", script("import a_package_that_nobody_has\nassert x == 1"))
    assert (verdict.status, verdict.reward) == ("error", None)


ERROR_SEEKERS = [
    ("x = 1", {"type": "pytest", "tests": "from solution import f\ndef test_f():\n    assert f(1) == 2"}),
    ("def f(x): raise ModuleNotFoundError('No module', name='json')", script("import json\nassert f(1) == 2")),
    ("def f(x): return '('", script("assert eval(f(1)) == 2")),
    ("def f(x): return 'import nobody'", script("exec(f(1))\nassert f(1) == 2")),
    ("class Sort:\n    def sort(self, key): pass\ndef f(x): return Sort()",
     script("x = f(1)\nx.sort(key=lambda x: x)\nassert x == [1]")),
    ("import os\ndef f(x): os._exit(0)", script("try:\n    f(1)\nexcept:\n    pass")),
    ("def f(x): return [[]] * 2", script("assert {tuple(y) for y in f(1)} == {1}")),
    ("def f(x): return list(range(10 ** 6))", script("assert f(1) == 2")),
]  # fmt: skip


@pytest.mark.parametrize(("program", "tests"), ERROR_SEEKERS)
def test_no_program_turns_wrong_into_error(program, tests):
    """An error leaves the loss: a program that could cause one would escape its 0."""
    assert judged(program, tests).status == "wrong"


def test_gold_problems():
    assert gold_problem(parse_tests(DOUBLE), SETTINGS) is None
    assert gold_problem(parse_tests(script("")), SETTINGS) == "no tests"
    assert deadline(parse_tests(DOUBLE), SETTINGS) > 3


def test_a_sandbox_that_dies_is_started_again():
    slot = sandboxes_module.sandboxes(SETTINGS)
    assert judged("print(int(input()) * 2)", DOUBLE).status == "correct"
    slot.program._process.kill()
    slot.program._process.wait()
    assert judged("print(int(input()) * 2)", DOUBLE).status == "correct"


def test_a_sandbox_that_cannot_start_is_an_error_never_a_zero(monkeypatch):
    def fails(*_, **__):
        raise SandboxError("no fork today")

    sandboxes_module.sandboxes(SETTINGS).close()
    monkeypatch.setattr(sandboxes_module, "Sandbox", fails)
    verdict = judged("print(1)", DOUBLE)
    assert (verdict.status, verdict.reward, verdict.detail["error"]) == ("error", None, "sandbox: no fork today")


def test_from_several_threads():
    found: list[str] = []
    programs = ["print(int(input()) * 2)", "print(0)"] * 6
    threads = [threading.Thread(target=lambda p=p: found.append(judged(p, DOUBLE).status)) for p in programs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["correct"] * 6 + ["wrong"] * 6


def test_from_a_worker_with_little_memory():
    with ProcessPoolExecutor(1, CONTEXT, initializer=limit_memory) as pool:
        tests = parse_tests(script("import json\nassert f(json.loads('2')) == 4"))
        verdict = pool.submit(verify, "```\ndef f(x): return 2 * x\n```", tests, SETTINGS).result()
    assert verdict.status == "correct", verdict.detail


def limit_memory() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
