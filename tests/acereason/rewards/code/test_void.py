"""Tests that nothing can fail are no tests; those that only their framework runs are run."""

import pytest

from acereason.common import types
from acereason.rewards.code.formats import parse_tests
from acereason.rewards.code.settings import CodeSettings
from acereason.rewards.code.verdict import gold_problem, verify

SETTINGS = CodeSettings(seconds=3)
WRONG = "```python\ndef f(x): return 5\n```"
VOID = [
    ('asserts nothing (three of MBPP+)', {'test_imports': [], 'test_list': ['assert f(1) == 5'], 'test': 'def assertion(out, exp, atol):\n    if isinstance(out, bool):\n        exact_match = out == exp\n    else:\n        exact_match = exp == (out is not None)\n\ninputs = [[1]]\nresults = [5]\nfor i, (inp, exp) in enumerate(zip(inputs, results)):\n    assertion(f(*inp), exp, 0)\n'}),
    ('swallows its assertion', {'type': 'script', 'tests': "try:\n    assert f(1) == 2\n    print('ok')\nexcept AssertionError:\n    print('fail')"}),
    ('swallows every exception', {'type': 'script', 'tests': 'try:\n    assert f(1) == 2\nexcept Exception as e:\n    print(e)'}),
    ('assert True', ['assert True']),
    ('skipped', {'type': 'pytest', 'tests': 'import pytest\nfrom solution import f\n@pytest.mark.skip\ndef test_f():\n    assert f(1) == 2'}),
    ('a case without tests', {'type': 'script', 'tests': 'import unittest\nclass T(unittest.TestCase):\n    def check_f(self):\n        self.assertEqual(f(1), 2)'}),
    ('a module without tests', {'type': 'pytest', 'tests': 'from solution import f\ndef check():\n    assert f(1) == 2'}),
    ('a loop over nothing', {'type': 'script', 'tests': 'for x, y in []:\n    assert f(x) == y'}),
    ('prints', {'type': 'script', 'tests': 'print(f(1))'}),
    ('asserts a tuple', ["assert (f(1) == 2, 'message')"]),
    ('catches what its own tests raise', {'type': 'script', 'tests': "def test_a():\n    assert f(1) == 2\ndef run():\n    for t in [test_a]:\n        try:\n            t(); print('pass')\n        except AssertionError: print('fail')\nrun()"}),
    ("a check that nobody calls", {"type": "script", "tests": "def check(candidate):\n    assert candidate(1) == 2"}),
    ("a comparison without assert", ["f(1) == 2"]),
    ("a comment", ["# assert f(1) == 2"]),
]  # fmt: skip
RUN = [
    ('not', ['assert not f(1)']),
    ('a case of any name', {'type': 'script', 'tests': 'import unittest\nclass addtests(unittest.TestCase):\n    def test(self): self.assertEqual(f(1), 2)'}),
    ('pytest under a main guard', {'type': 'script', 'tests': "import pytest, sys\ndef test_x():\n    assert f(1) == 2\nif __name__ == '__main__':\n    sys.exit(pytest.main([__file__]))"}),
    ('a suite that is run and not looked at', {'type': 'script', 'tests': 'import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(f(1), 2)\nsuite = unittest.TestLoader().loadTestsFromTestCase(T)\nunittest.TextTestRunner().run(suite)'}),
    ("a case in a script", {"type": "script", "tests": "import unittest\nclass AddTests(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(f(1), 2)\n"}),
    ("a case under a main guard", {"type": "script", "tests": "import unittest\nclass A(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(f(1), 2)\nif __name__ == '__main__':\n    unittest.main()"}),
    ("a case for pytest", {"type": "pytest", "tests": "import unittest\nfrom solution import f\nclass AddTests(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(f(1), 2)\n"}),
    ("a coroutine", {"type": "pytest", "tests": "import pytest\nfrom solution import f\n@pytest.mark.asyncio\nasync def test_a():\n    assert f(1) == 2\n"}),
    ("functions in a list", ["def test_a():\n    assert f(1) == 2\n"]),
    ("functions in MBPP's column", {"test": "def test_a():\n    assert f(1) == 2\n"}),
    ("a main guard", ["if __name__ == '__main__':\n    assert f(1) == 2"]),
]  # fmt: skip


@pytest.mark.parametrize("tests", [pytest.param(tests, id=name) for name, tests in VOID])
def test_tests_that_nothing_can_fail_are_a_bad_row(tests):
    assert gold_problem(parse_tests(tests), SETTINGS) == "programs that solve nothing pass these tests"
    verdict = verify(WRONG, parse_tests(tests), SETTINGS)
    assert (verdict.status, verdict.detail["error"]) == ("error", "programs that solve nothing pass these tests")


@pytest.mark.parametrize("tests", [pytest.param(tests, id=name) for name, tests in RUN])
def test_what_a_framework_would_run_is_run(tests):
    assert gold_problem(parse_tests(tests), SETTINGS) is None
    assert verify(WRONG, parse_tests(tests), SETTINGS).status == "wrong"


@pytest.mark.parametrize(
    "source", ["assert f is not None", "assert ok", "assert f(1) is None", "assert f(1) is not None"]
)
def test_little_is_not_nothing(source):
    assert gold_problem(parse_tests([source]), SETTINGS) is None


def test_printing_nothing_is_no_task():
    assert gold_problem(types.Tests("stdin", ["1"], ["\n"]), SETTINGS) == "programs that solve nothing pass these tests"
    assert gold_problem(types.Tests("stdin", ["1", "2"], ["\n", "1"]), SETTINGS) is None


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            "from solution import f\ndef test_f(mocker):\n    assert f(1) == 2",
            "need a plugin of pytest: no fixture 'mocker'",
        ),
        ("import nobody_has_this\ndef test_f():\n    assert f(1) == 2", "No module named 'nobody_has_this'"),
    ],
)
def test_what_is_lacking_here_is_a_bad_row(source, told):
    tests = parse_tests({"type": "pytest", "tests": source})
    assert told in gold_problem(tests, SETTINGS)
    verdict = verify(WRONG, tests, SETTINGS)
    assert (verdict.status, verdict.reward) == ("error", None)
