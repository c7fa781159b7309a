"""Find tests that test nothing: programs that solve nothing pass them.

Test functions that nobody calls, and assertions in a branch that never runs or in a `try` that swallows them, pass
every program; in training they would reward anything.

Whether the right program passes is not asked here: few data sets include it, and running it for each problem would cost
an evaluation at every start. `curate` judges the solutions that it keeps, and `score` the solutions in a file.
"""

import ast
import builtins
from collections.abc import Callable, Iterator

from acereason.common.types import Tests
from acereason.rewards.code.asserts import root, turn

_ANY = """
class Anything:
    def __call__(self, *args, **kwargs): return {returned}
    def __getattr__(self, name):
        if name.startswith("__"): raise AttributeError(name)
        return Anything()
    def __getitem__(self, key): return Anything()
    def __setitem__(self, key, value): pass
    def __iter__(self): return iter(())
    def __len__(self): return 0
    def __enter__(self): return self
    def __exit__(self, *failure): return None
    def __bool__(self): return {truth}
"""
EMPTY = "\n"


def is_void(tests: Tests, passes: Callable[[str], bool]) -> bool:
    """Return whether programs that solve nothing pass: an empty one, or all of three whose functions always return the
    same: something true, something false, None.

    Args:
        tests: the parsed tests.
        passes: whether a program passes all of them.
    """
    if tests.kind == "stdin":
        return not any(output.strip() for output in tests.outputs)
    # why: such a test fails every program without the function: nothing needs to run
    if tests.kind == "call" or any(_surely_tests(source) for source in tests.inputs if not tests.pytest):
        return False
    # why: one constant may be the right answer to a weak test; three that exclude each other can't be
    return passes(EMPTY) or all(passes(program) for program in _stubs(tests))


def _surely_tests(source: str) -> bool:
    """Return whether the source asserts something about a call, which a program without the function fails."""
    return turn(source) is not None


def _stubs(tests: Tests) -> Iterator[str]:
    names = sorted({name for source in [tests.setup, *tests.inputs] for name in _asked(source)})
    called = {name for source in tests.inputs for name in _called(source)}
    for returned, truth in (("Anything()", "True"), ("Anything()", "False"), ("None", "False")):
        # why: a name that is called, or has attributes, must survive that: only then is its result tested
        values = {name: "Anything()" if name in called else returned for name in names}
        defined = "".join(f"{name} = {value}\n" for name, value in values.items())
        yield f"{_ANY.format(returned=returned, truth=truth)}\n{defined}"


def _asked(source: str) -> set[str]:
    """Return the names that the program may have to define: all used names but Python's own."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.ImportFrom) and node.module == "solution":
            found |= {alias.name for alias in node.names} - {"*"}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "solution":
            found.add(node.attr)
    return found - vars(builtins).keys()


def _called(source: str) -> set[str]:
    """Return the names that this code calls, takes attributes of, or passes to a call."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.Call, ast.Attribute))]
    return {root(node) for node in nodes} | {
        root(value) for node in nodes if isinstance(node, ast.Call) for value in node.args
    }
