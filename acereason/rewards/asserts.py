"""Turns `assert f(x) == y` into a call of the program and a comparison that the program has no part in."""

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_OPERATORS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda left, right: left in right, ast.NotIn: lambda left, right: left not in right,
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip


@dataclass
class TurnedAssert:
    """An assertion in two halves."""

    function: str
    """The function or class that it begins with."""
    expression: str
    """What the program's process evaluates: a call with constant arguments."""
    holds: Callable[[Any], bool]
    """The comparison, of its value."""


def turn(source: str) -> TurnedAssert | None:
    """The halves of an assertion that compares one call of the program with a constant; None for any other code.

    Example:
        >>> turn("assert add(1, 2) == 3").expression
        'add(1, 2)'
    """
    body = ast.parse(source).body
    if len(body) != 1 or not isinstance(body[0], ast.Assert) or not isinstance(body[0].test, ast.Compare):
        return None
    test = body[0].test
    if len(test.ops) != 1 or type(test.ops[0]) not in _OPERATORS:
        return None
    compare = _OPERATORS[type(test.ops[0])]
    left, right = test.left, test.comparators[0]
    if _is_call_of_program(left) and _is_constant(right):
        expected = ast.literal_eval(right)
        return TurnedAssert(root(left), ast.unparse(left), lambda value: bool(compare(value, expected)))
    if _is_call_of_program(right) and _is_constant(left):
        expected = ast.literal_eval(left)
        return TurnedAssert(root(right), ast.unparse(right), lambda value: bool(compare(expected, value)))
    return None


def _is_call_of_program(node: ast.expr) -> bool:
    """`f(...)`, `Solution().f(...)` and the like, with constants for arguments."""
    if isinstance(node, ast.Attribute):
        return _is_call_of_program(node.value)
    if not isinstance(node, ast.Call) or any(keyword.arg is None for keyword in node.keywords):
        return False
    arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
    named = isinstance(node.func, ast.Name)
    through = isinstance(node.func, ast.Attribute) and _is_call_of_program(node.func.value)
    return (named or through) and all(_is_constant(argument) for argument in arguments)


def _is_constant(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        return False
    return True


def root(node: ast.expr) -> str:
    """The name that an expression begins with."""
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
