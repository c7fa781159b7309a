"""A sandbox by itself: what runs give back, and that one leaves nothing to the next."""

from collections.abc import Iterator

import pytest

from acereason.sandbox import Limits, Sandbox, wire


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(Limits(seconds=2, output_mib=1))
    yield sandbox
    sandbox.close()


def script(sandbox: Sandbox, program: str, stdin: bytes = b""):
    return sandbox.run({"mode": "script", "program": program}, stdin)


def test_a_script_reads_its_input_and_its_output_comes_back(sandbox):
    run = script(sandbox, "import sys\nprint(input()[::-1])\nprint('aside', file=sys.stderr)\nsys.exit(3)", b"abc\n")
    assert (run.stdout, run.stderr, run.exit_code, run.failure) == (b"cba\n", "aside\n", 3, None)


def test_a_call_returns_plain_data(sandbox):
    program = "class Solution:\n    def both(self, x, y): return (x, {y})"
    run = sandbox.run({"mode": "call", "program": program, "function": "both", "arguments": wire.encode([1, "a"])})
    assert wire.loads(run.result) == (1, {"a"})


def test_a_call_may_be_an_expression_over_a_setup(sandbox):
    job = {"mode": "call", "program": "def f(x): return x + ONE", "setup": "import nobody_has_this\nONE = 1"}
    run = sandbox.run({**job, "function": "f", "expression": "f(f(40))"})
    assert wire.loads(run.result) == 42


@pytest.mark.parametrize(
    ("program", "failure"),
    [
        ("1 / 0", "runtime error"),
        ("import os; os.abort()", "runtime error"),
        ("a = 'x' * 10**12", "memory"),
        ("print(", "syntax error"),
        ("print('x' * 2_000_000)", "output limit"),
    ],
)
def test_a_failure_has_its_name(sandbox, program, failure):
    assert script(sandbox, program).failure == failure


def test_an_exceptions_text_begins_in_the_program(sandbox):
    told = script(sandbox, "def f(): raise ValueError('no')\nf()").stderr
    assert told.startswith('Traceback (most recent call last):\n  File "solution.py", line 2, in <module>')
    assert told.endswith("ValueError: no\n")


def test_no_process_of_a_run_is_left(sandbox):
    sleeper = "if os.fork() == 0:\n    os.setsid()\n    time.sleep(600)\n"
    forks = f"import os, time\n{sleeper * 3}print(1)"
    assert script(sandbox, forks).stdout == b"1\n"
    with sandbox.start({"mode": "script", "program": "print(2)"}) as job:
        while job.sources:
            assert len(job.family()) <= 1
            job.read(job.sources[0])


def test_no_file_of_a_run_is_left(sandbox):
    writes = (
        "import os\nopen('kept', 'w').write('x')\nos.makedirs('a/b')\nos.chmod('a', 0)\nprint(sorted(os.listdir('.')))"
    )
    assert script(sandbox, writes).stdout == b"['a', 'kept']\n"
    assert script(sandbox, "import os\nprint(os.listdir('.'))").stdout == b"[]\n"
