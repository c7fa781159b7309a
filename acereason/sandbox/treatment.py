"""Find out from the text of test code how it treats the program's classes.

A function that should return data may return an object that claims to equal whatever it is compared with. So an
object's own operators count against data only where the tests are about objects: where their text makes them by a class
and uses them as objects (`Money(5).amount`, `Money(2) + Money(3) == Money(5)`), and, for comparisons, compares what it
made so with data (`Money(5) == 5`). A name that begins with a small letter is a function's, whatever the program
makes of it.
"""

import ast
from typing import Literal

Treatment = Literal["", "made", "compared"]


def treatment(tree: ast.AST) -> dict[str, Treatment]:
    """Return how the code treats the objects it makes by each name: `made`; `compared`, with data, too; else absent."""
    made = _Made(tree)
    # why: a test of a function must not trust its results, even where the program made it a class
    classes = {name for name in made.objects if name.lstrip("_")[:1].isupper()}
    found: dict[str, Treatment] = dict.fromkeys(classes, "made")
    return found | dict.fromkeys(classes & made.compared, "compared")


_OF_DATA = {name for kind in (str, bytes, int, float, complex, list, tuple, dict, set, frozenset) for name in dir(kind)}
_OF_DATA |= {"shape", "dtype", "ndim", "size", "tolist", "all", "any", "sum", "mean", "max", "min", "item", "flatten"}
"""Attributes that plain data has, too: they don't show that a value is an object."""


class _Made:
    def __init__(self, tree: ast.AST) -> None:
        self.by: dict[str, str] = {}
        """Variable -> the name by which its value was made."""
        self.objects: set[str] = set()
        self.compared: set[str] = set()
        nodes = list(ast.walk(tree))
        for node in nodes:
            self._assigned(node)
        for node in nodes:
            self._used(node)

    def maker(self, node: ast.AST | None) -> str:
        """Return the name by which an expression's value was made; empty for none."""
        if isinstance(node, ast.BinOp):
            return self.maker(node.left) or self.maker(node.right)
        if isinstance(node, ast.UnaryOp):
            return self.maker(node.operand)
        if isinstance(node, ast.Call):
            return _class_name(node.func) or self.by.get(ast.unparse(node.func), "")
        return self.by.get(ast.unparse(node), "") if isinstance(node, (ast.Name, ast.Attribute)) else ""

    def _assigned(self, node: ast.AST) -> None:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and (name := self.maker(node.value)):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                self.by[ast.unparse(target)] = name
        elif isinstance(node, ast.withitem) and node.optional_vars and (name := self.maker(node.context_expr)):
            self.by[ast.unparse(node.optional_vars)] = name
        elif isinstance(node, ast.FunctionDef):  # a fixture
            for inner in ast.walk(node):
                if isinstance(inner, (ast.Return, ast.Yield)) and (name := self.maker(inner.value)):
                    self.by[node.name] = name

    def _used(self, node: ast.AST) -> None:
        if isinstance(node, ast.Attribute) and node.attr not in _OF_DATA:
            self.objects |= {self.maker(node.value), _class_name(node.value)} - {""}
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            self.objects |= {self.maker(node.value)} - {""}
        elif isinstance(node, ast.BinOp):
            self._both(node.left, node.right)
        elif isinstance(node, ast.Compare):
            for left, right in zip([node.left, *node.comparators], node.comparators, strict=False):
                self._both(left, right)
                self.compared |= {self.maker(left), self.maker(right)} - {""}
        elif isinstance(node, ast.Call) and _last_name(node.func).startswith("assert"):
            self.compared |= {self.maker(argument) for argument in node.args} - {""}
            self._both(*node.args[:2]) if len(node.args) >= 2 else None
        elif isinstance(node, ast.Call) and _last_name(node.func) in ("isinstance", "issubclass"):
            self.objects |= {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}

    def _both(self, left: ast.expr, right: ast.expr) -> None:
        if (one := self.maker(left)) and (other := self.maker(right)):
            self.objects |= {one, other}


def _class_name(node: ast.AST) -> str:
    """Return `Money` for `Money` and for `solution.Money`."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "solution":
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _last_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
