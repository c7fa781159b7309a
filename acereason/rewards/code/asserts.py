"""Split `assert f(x) == y` into a call that the program answers and a comparison that runs outside its process."""

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
    """An assertion, split into its call and its comparison."""

    function: str
    """Name of the function or class that the call begins with."""
    expression: str
    """Source of the call, with constant arguments; the program's process evaluates it."""
    holds: Callable[[Any], bool]
    """Whether the assertion holds for the call's value."""


def turn(source: str) -> TurnedAssert | None:
    """Split an assertion that compares one call of the program with a constant; return None for any other code.

    Example:
        >>> turn("assert add(1, 2) == 3").expression
        'add(1, 2)'
    """
    body = ast.parse(source).body
    if len(body) != 1 or not isinstance(body[0], ast.Assert) or not isinstance(body[0].test, ast.Compare):
        return None
    test = body[0].test
    # why: a chain such as `1 < f(x) < 3` is no single comparison; the examiner runs it as it stands
    if len(test.ops) != 1 or type(test.ops[0]) not in _OPERATORS:
        return None
    compare = _OPERATORS[type(test.ops[0])]
    left, right = test.left, test.comparators[0]
    if _is_call_of_program(left) and _is_constant(right):
        # why: the expected value is read here: a program that saw it could return it
        expected = ast.literal_eval(right)
        return TurnedAssert(root(left), ast.unparse(left), lambda value: bool(compare(value, expected)))
    if _is_call_of_program(right) and _is_constant(left):
        expected = ast.literal_eval(left)
        return TurnedAssert(root(right), ast.unparse(right), lambda value: bool(compare(expected, value)))
    return None


def _is_call_of_program(node: ast.expr) -> bool:
    """Return whether the node is `f(...)`, `Solution().f(...)` or the like, with constants for arguments."""
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
    # why: a literal that nests too deep raises the last two; such an assertion goes to the examiner
    except (ValueError, TypeError, RecursionError, MemoryError):
        return False
    return True


def root(node: ast.expr) -> str:
    """Return the name that an expression begins with; empty where it begins with none."""
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
