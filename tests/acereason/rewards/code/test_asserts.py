import pytest

from acereason.rewards.code.asserts import turn


@pytest.mark.parametrize(
    ("source", "expression", "right", "wrong"),
    [
        ("assert add(1, 2) == 3", "add(1, 2)", 3, 4),
        ("assert 3 == add(1, b=2)", "add(1, b=2)", 3, "3"),
        ("assert Solution().f([1, -2]) is None", "Solution().f([1, -2])", None, 0),
        ("assert f({'a': (1,)}) != {1, 2}", "f({'a': (1,)})", {1}, {2, 1}),
        ("assert f() in (1, 2), 'message'", "f()", 2, 3),
        ("assert f(2) >= 1.5", "f(2)", 2, 1),
        ("assert sum(10, 15) == 6", "sum(10, 15)", 6, 25),
        ("assert f() == (1, 2)", "f()", (1, 2), [1, 2]),
    ],
)
def test_turned(source, expression, right, wrong):
    turned = turn(source)
    assert turned.expression == expression
    assert turned.holds(right)
    assert not turned.holds(wrong)


@pytest.mark.parametrize(
    "source",
    [
        "assert abs(f(2) - 1.5) < 1e-6",  # the expected value would go along
        "assert sorted(f(2)) == [1]",
        "assert f(2) == g(2)",
        "assert f(x) == 3",
        "assert f(2)",
        "assert 0 < f(2) < 3",
        "assert f(2) == [1] * 3",
        "x = 1",
        "assert f(1) == 1\nassert f(2) == 2",
        "assert f(*[1]) == 1",
        "",
    ],
)
def test_left_to_the_examiner(source):
    assert turn(source) is None
