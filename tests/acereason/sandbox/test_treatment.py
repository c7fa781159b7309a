import ast

import pytest

from acereason.sandbox.treatment import treatment


@pytest.mark.parametrize(
    ("source", "treated"),
    [
        ("assert Money(5).amount == 5", {"Money": "made"}),
        ("m = Money(5)\nm.amount", {"Money": "made"}),
        ("m = Money(5)\nm.amount\nassert m == 5", {"Money": "compared"}),
        ("from solution import Money\nassert Money(2) + Money(3) == Money(5)", {"Money": "compared"}),
        ("import solution\ns = solution.Stack()\ns.push(1)", {"Stack": "made"}),
        ("with Timer() as t:\n    t.lap()", {"Timer": "made"}),
        ("def stack():  # a fixture\n    return Stack()\ndef test(stack):\n    stack.push(1)", {"Stack": "made"}),
        ("assert isinstance(make(), Shape)", {"Shape": "made"}),
    ],
)
def test_objects_that_tests_make_and_use_as_objects_are_their_own(source, treated):
    assert treatment(ast.parse(source)) == treated


@pytest.mark.parametrize(
    "source",
    [
        "assert Diff(1) == 2",  # a function with a capital letter
        "assert Diff([1]).count(1) == 1",  # lists have that, too
        "m = money(5)\nassert m.amount == 5",  # a small letter: a function, whatever the program makes of it
        "assert f(1) == 2",
    ],
)
def test_what_may_be_data_is_no_object_of_the_tests(source):
    assert treatment(ast.parse(source)) == {}
