"""The small prelude has all that programs find which run in it."""

import json
from collections.abc import Iterator

import pytest

from acereason.sandbox import Sandbox, prelude

_LOADED = "import sys\nprint(json.dumps([sorted(sys.modules), sorted(name for name in globals() if name[:1] != '_')]))"


@pytest.fixture(scope="module")
def small() -> Iterator[Sandbox]:
    sandbox = Sandbox(whole=False)
    yield sandbox
    sandbox.close()


def loaded(sandbox: Sandbox) -> tuple[set[str], set[str]]:
    """Modules and names that a program finds."""
    run = sandbox.run({"mode": "script", "program": _LOADED})
    modules, names = json.loads(run.stdout)
    return set(modules), set(names)


def test_what_a_program_may_name_is_loaded_alike(small):
    whole = Sandbox()
    (few, names), (many, all_names) = loaded(small), loaded(whole)
    whole.close()
    assert names == all_names
    assert {"asyncio", "urllib.request", "importlib.util", "hashlib"} <= many - few
    missing = {name for name in many - few if not name.startswith(("_", "acereason"))}
    assert not [name for name in missing if prelude.is_enough(f"import {name}")]
    assert few >= prelude._SMALL


@pytest.mark.parametrize(
    ("source", "enough"),
    [
        ("a = int(input())\nprint(37 * a - 58)", True),
        ("import sys, math\nfrom collections import deque\nprint(sys.stdin.read())", True),
        ("from hashlib import md5", False),
        ("import os.path as p, asyncio", False),
        ("__import__('json'), __import__('hashlib')", False),
        ("import importlib\nimportlib.util", False),
        ("sys.modules['re']", False),
    ],
)
def test_a_word_that_names_another_module_asks_for_the_whole(source, enough):
    assert prelude.is_enough(source) == enough


def test_what_goes_to_stderr_is_told(small):
    """Where `logging` is loaded, it flushes the stream at exit; here nothing but the program's own end does."""
    run = small.run({"mode": "script", "program": "import sys\nprint('aside', end='', file=sys.stderr)\n1 / 0"})
    assert run.stderr.startswith('asideTraceback (most recent call last):\n  File "solution.py", line 3')


def test_each_run_draws_its_own_numbers(small):
    draws = {small.run({"mode": "script", "program": "print(randint(0, 10**9))"}).stdout for _ in range(3)}
    assert len(draws) == 3


def test_the_main_thread_is_the_programs(small):
    program = "import os, threading\nprint(threading.main_thread().native_id == os.getpid())"
    assert small.run({"mode": "script", "program": program}).stdout == b"True\n"
