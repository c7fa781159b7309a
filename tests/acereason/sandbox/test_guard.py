import functools
import io

import pytest

from acereason.sandbox.guard import Refused, check


class Ball:
    """An object of a class that the test code defines."""


Ball.__module__ = "tests"


def function() -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    ("action", "target", "args"),
    [
        ("call", function, [1]),
        ("getattr", function, ["__name__"]),
        ("getattr", Ball(), ["size"]),
        ("setattr", Ball(), ["size", 3]),
        ("getattr", io.StringIO(), ["write"]),
        ("eq", Ball(), [5]),
    ],
)
def test_a_program_uses_what_a_test_passed_to_it(action, target, args):
    check({"do": action, "target": {"yours": 0}}, target, args)


@pytest.mark.parametrize(
    ("action", "target", "args"),
    [
        ("getattr", function, ["__globals__"]),
        ("setattr", function, ["__name__", "x"]),
        ("getattr", Ball(), ["_hidden"]),
        ("getattr", Ball(), ["__class__"]),
        ("getattr", functools.partial(print), ["func"]),
        ("delattr", [1], ["append"]),
        ("dir", Ball(), []),
    ],
)
def test_a_program_reaches_nothing_behind_it(action, target, args):
    with pytest.raises(Refused):
        check({"do": action, "target": {"yours": 0}}, target, args)


@pytest.mark.parametrize("target", [None, 5, {"known": "builtins:exec"}, {"mine": [0, ""]}])
def test_a_program_asks_only_of_what_it_was_given(target):
    with pytest.raises(Refused, match="only of what it was given"):
        check({"do": "call", "target": target}, exec, ["1"])
