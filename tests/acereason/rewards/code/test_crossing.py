import pytest

from acereason.rewards.code.crossing import crossing


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("class Mine(Theirs):\n    pass\nassert Mine().f() == 1", "class Mine builds on"),
        ("from solution import Base\nclass Mine(Base):\n    pass", "class Mine builds on"),
        (
            "def test_f(monkeypatch):\n    monkeypatch.setattr('time.sleep', f)",
            "replaces what the program's process has",
        ),
        (
            "import time\ndef test_f(monkeypatch):\n    monkeypatch.setattr(time, 'sleep', f)",
            "replaces what the program's",
        ),
        ("import random\nwith patch.object(random, 'random', f): pass", "replaces what the program's"),
        ("import os\nwith patch.dict(os.environ, {'A': '1'}): pass", "replaces what the program's"),
        ("def test_f(monkeypatch):\n    monkeypatch.setenv('A', '1')", "replaces what the program's process has"),
        (
            "with patch('random.randint', return_value=3):\n    assert f() == 3",
            "replaces what the program's process has",
        ),
        ("open('x', 'w').write('1')\nassert f('x') == 1", "makes or reads a file"),
        ("with tempfile.TemporaryDirectory() as folder:\n    assert f(folder) == []", "makes or reads a file"),
        ("def test_f(tmp_path):\n    assert f(tmp_path) == []", "makes or reads a file"),
        ("with patch('builtins.input', return_value='3'):\n    assert f() == 3", None),
        ("with patch('solution.g', return_value='3'):\n    assert f() == 3", None),
        ("def test_f(monkeypatch):\n    monkeypatch.setattr('builtins.input', lambda: 1)", None),
        ("import solution\ndef test_f(monkeypatch):\n    monkeypatch.setattr(solution, 'g', 1)", None),
        ("import sys, io\ndef test_f(monkeypatch):\n    monkeypatch.setattr(sys, 'stdin', io.StringIO('1'))", None),
        ("with patch.object(Stack, 'push'): pass", None),
        ("assert apply(lambda x: x + 1, 3) == 4", None),
        ("def plus(x):\n    return x + 1\nassert apply(plus, 3) == 4", None),
        ("import abc\nclass Mine(abc.ABC):\n    pass\nclass More(Mine):\n    pass", None),
        ("from unittest import TestCase as T\nclass Mine(T):\n    pass", None),
        ("class Mine:\n    pass", None),
        ("def check(candidate):\n    assert candidate(1) == 2\ncheck(f)", None),
    ],
)
def test_what_cannot_leave_the_program(source, told):
    reason = crossing(source)
    assert reason is None if told is None else told in reason
