"""Test code in a process of its own: it asks the program's process for values, and compares them where the program has
no reach.

Names that the test code uses and doesn't define stand for the program's. Plain data comes over by value and is compared
as Python compares it; functions, classes and other objects come as proxies, which can be called, read and subscripted,
but never compare equal to anything but themselves. Lists, dicts and sets that the program changes in place are changed
here too. What can't cross is a function or class of the test code: a test that passes one to the program is an error.
"""

import ast
import builtins
import inspect
import itertools
import json
import os
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

from acereason.rewards.sandbox.proxies import CannotCross, Program, ProgramEnded

_AIDS = (ModuleType, type)
"""What of the prelude test code finds, too; its functions aren't there, lest they pass for the program's."""


def run(job: dict[str, Any], names: dict[str, Any]) -> None:
    """Examine the program on fd 3 by the job's `setup` and `tests` (`pytest`: call its test functions).

    One JSON line on stdout says the outcome; then this process ends.
    """
    program = Program()
    outcome, note = _judge(program, job, names)
    os.write(1, json.dumps({"outcome": outcome, "note": note[:500]}).encode())
    os._exit(0)


def warm_up() -> None:
    """Import what published tests import, where it is installed."""
    for name in ("numpy", "pytest"):
        try:
            __import__(name)
        except ImportError:
            continue


def _judge(program: Program, job: dict[str, Any], names: dict[str, Any]) -> tuple[str, str]:
    try:
        _examine(program, job, names)
    except ProgramEnded:
        return "runtime error", "the program ended before it answered"
    except CannotCross as error:
        return "error", f"this test can't be taken out of the program's process: it passes {error} to the program"
    except ModuleNotFoundError as error:
        needed = error is not program.raised and error.name in _imported(job["setup"] + "\n" + job["tests"])
        return "error" if needed else "runtime error", _where(error, job["tests"])
    except BaseException as error:
        theirs = error is program.raised or isinstance(error, (NameError, ImportError))
        return "runtime error" if theirs else "wrong", _where(error, job["tests"])
    return ("runtime error", "the program ended while it was tested") if program.ended else ("passed", "")


def _imported(source: str) -> set[str]:
    """Modules that code names in its import statements: only these can be lacking through no fault of the program's."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found - {"solution"}


def _where(error: BaseException, tests: str) -> str:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<tests>"]
    source = tests.splitlines()
    line = source[lines[-1] - 1].strip() if lines and lines[-1] and lines[-1] <= len(source) else ""
    told = f"{type(error).__name__}: {error}".removesuffix(": ")
    return f"{told} at {line}" if line else told


def _examine(program: Program, job: dict[str, Any], names: dict[str, Any]) -> None:
    defined = program.names()
    sys.modules["solution"] = _Solution(program, defined)
    scope: dict[str, Any] = {"__name__": "tests", "__builtins__": __builtins__}
    exec(compile(job["setup"], "<setup>", "exec"), scope)
    tree = ast.parse(job["tests"])
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - scope.keys()
    theirs = _of_program(used & set(defined), names)
    scope.update({name: names[name] for name in used & names.keys() - theirs if isinstance(names[name], _AIDS)})
    scope.update({name: program.get(name) for name in theirs})
    exec(compile(tree, "<tests>", "exec"), scope)
    if job["pytest"]:
        _call_tests(scope)


class _Solution(ModuleType):
    """The program as a module, for tests that import it."""

    def __init__(self, program: Program, defined: list[str]) -> None:
        super().__init__("solution")
        self.__dict__.update(_program=program, __all__=defined)

    def __getattr__(self, name: str) -> Any:
        if name not in self.__dict__["__all__"]:
            raise AttributeError(f"the program defines no {name}")
        return self.__dict__["_program"].get(name)


def _of_program(names: set[str], prelude: dict[str, Any]) -> set[str]:
    """Which names mean the program's, of those that it defines and the tests use.

    It can't replace Python's own functions and modules under the tests, unless they test nothing else (MBPP asks for a
    function `sum`).
    """
    pythons = vars(builtins).keys() | {name for name, value in prelude.items() if isinstance(value, ModuleType)}
    return names - pythons or names


def _call_tests(scope: dict[str, Any]) -> None:
    for name, value in list(scope.items()):
        if name.startswith("test") and inspect.isfunction(value):
            _call_test(value)
        elif name.startswith("Test") and inspect.isclass(value):
            for method in [key for key in vars(value) if key.startswith("test")]:
                _call_test(getattr(value(), method))


def _call_test(function: Callable[..., None]) -> None:
    """Call a test function, once for each combination of its `parametrize` marks."""
    axes: list[list[dict[str, Any]]] = []
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "parametrize":
            names = mark.args[0] if not isinstance(mark.args[0], str) else mark.args[0].replace(",", " ").split()
            rows = [values if len(names) > 1 else (values,) for values in mark.args[1]]
            axes.append([dict(zip(names, values, strict=True)) for values in rows])
    for chosen in itertools.product(*axes):
        function(**{name: value for axis in chosen for name, value in axis.items()})
