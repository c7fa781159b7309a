"""Run test code as its framework would: a script from top to bottom, unittest's classes, pytest's functions."""

import ast
import asyncio
import contextlib
import inspect
import itertools
import sys
import unittest
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from acereason.sandbox.foreign import number_of


class Missing(Exception):
    """The tests need something that isn't installed here, or that only the program's process has."""


def run(tree: ast.Module, module: ModuleType, as_pytest: bool, theirs: Callable[[BaseException], bool]) -> None:
    """Execute a module of tests, then the TestCase classes and test functions that it defines and doesn't call.

    Args:
        tree: the tests.
        module: where their definitions go.
        as_pytest: whether they are a module for pytest; else a script, which is called `__main__`.
        theirs: whether an exception came from the program.

    Raises:
        AssertionError, or whatever else the first failing test raises.
    """
    module.__name__ = "tests" if as_pytest else "__main__"
    sys.modules[module.__name__] = module
    with contextlib.nullcontext() if as_pytest else _without_main():
        try:
            exec(compile(tree, "<tests>", "exec"), vars(module))
        # why: a script may end by `sys.exit(pytest.main())`, which is no failure of its tests
        except SystemExit as error:
            if error.code or theirs(error):
                raise
    module.__name__ = "tests"
    called = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    _run_cases([value for value in _own(module).values() if _is_case(value)])
    # why: a script has run the functions that it calls, with arguments that only it knows
    left = {name: value for name, value in _own(module).items() if as_pytest or name not in called}
    tests = {name: value for name, value in left.items() if _is_test(name, value)}
    # why: simple functions are called without pytest, which may not be installed here
    if all(_is_simple(value) for value in tests.values()) and not _has_hooks(module):
        for test in tests.values():
            _call(test)
    elif tests:
        _run_by_pytest(module, tests)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Keep a script from starting its framework: its tests run afterwards, for which pytest needs its `main` again."""
    mains = {name: vars(sys.modules[name])["main"] for name in ("unittest", "pytest") if name in sys.modules}
    for name in mains:
        vars(sys.modules[name])["main"] = _nothing
    try:
        yield
    finally:
        for name, main in mains.items():
            vars(sys.modules[name])["main"] = main


def _nothing(*_: Any, **__: Any) -> int:
    return 0


def _own(module: ModuleType) -> dict[str, Any]:
    """Return the tests' own definitions; the program's objects would tell a framework anything about themselves."""
    return {name: value for name, value in vars(module).items() if number_of(value) is None}


def _is_case(value: Any) -> bool:
    return (
        isinstance(value, type) and issubclass(value, unittest.TestCase) and value.__module__ in ("tests", "__main__")
    )


def _is_test(name: str, value: Any) -> bool:
    if name[:4].lower() != "test" or getattr(value, "__module__", "") not in ("tests", "__main__"):
        return False
    if isinstance(value, type):
        return name.startswith("Test") and not issubclass(value, unittest.TestCase)
    return name.startswith("test") and inspect.isfunction(inspect.unwrap(value))


def _is_simple(value: Any) -> bool:
    """Return whether all of a function's arguments are parametrized by plain values: pytest would only call it."""
    if not inspect.isfunction(value) or inspect.isgeneratorfunction(value):
        return False
    marks = getattr(value, "pytestmark", [])
    if any(mark.name not in ("parametrize", "asyncio") or set(mark.kwargs) - {"ids"} for mark in marks):
        return False
    if not all(isinstance(mark.args[1], (list, tuple)) for mark in marks if mark.name == "parametrize"):
        return False
    values = [row for mark in marks if mark.name == "parametrize" for row in mark.args[1]]
    plain = not any(type(one).__name__ == "ParameterSet" for row in values for one in (row, *_members(row)))
    return plain and {name for call in _calls(value) for name in call} == set(inspect.signature(value).parameters)


def _members(row: Any) -> list[Any]:
    return list(row) if isinstance(row, (list, tuple)) else []


def _calls(function: Callable[..., Any]) -> list[dict[str, Any]]:
    """Return the arguments of each call: every combination of the `parametrize` marks."""
    axes: list[list[dict[str, Any]]] = []
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "parametrize":
            names = mark.args[0] if not isinstance(mark.args[0], str) else mark.args[0].replace(",", " ").split()
            rows = [values if len(names) > 1 else (values,) for values in mark.args[1]]
            axes.append([dict(zip(names, values, strict=True)) for values in rows])
    return [{name: value for axis in chosen for name, value in axis.items()} for chosen in itertools.product(*axes)]


def _has_hooks(module: ModuleType) -> bool:
    """Return whether pytest would do more than call the functions: fixtures that no test names, setup functions."""
    own = _own(module)
    kinds = {type(value).__name__ for value in own.values()}
    names = {"setup_module", "teardown_module", "setup_function", "teardown_function", "pytestmark", "setUpModule"}
    marked = any(hasattr(value, "_pytestfixturefunction") for value in own.values())
    return bool(marked or "FixtureFunctionDefinition" in kinds or names & own.keys())


def _call(test: Callable[..., Any]) -> None:
    for arguments in _calls(test):
        found = test(**arguments)
        if inspect.iscoroutine(found):
            asyncio.run(found)


def _run_cases(cases: list[type[unittest.TestCase]]) -> None:
    loader = unittest.TestLoader()
    for case in cases:
        result = _First()
        loader.loadTestsFromTestCase(case).run(result)
        if result.error:
            raise result.error


class _First(unittest.TestResult):
    """A result that keeps the first exception itself, and stops there."""

    def __init__(self) -> None:
        super().__init__()
        self.error: BaseException | None = None

    def addError(self, test: Any, err: Any) -> None:
        self._keep(err)

    def addFailure(self, test: Any, err: Any) -> None:
        self._keep(err)

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        if err:
            self._keep(err)

    def addUnexpectedSuccess(self, test: Any) -> None:
        self._keep((None, AssertionError(f"unexpected success of {test}"), None))

    def _keep(self, err: Any) -> None:
        self.error = self.error or err[1]
        self.stop()


def _run_by_pytest(module: ModuleType, tests: dict[str, Any]) -> None:
    try:
        # why: imported here, since it needs pytest, which only some tests need
        from acereason.sandbox import pytests
    except ImportError as error:
        raise Missing("these tests need pytest, which is not installed here; pip install pytest") from error
    try:
        # why: pytest would take the program's objects for
        # fixtures and tests, or whatever else they claim to be
        visible = ModuleType(module.__name__)
        vars(visible).update(_own(module))
        pytests.run(visible, set(tests))
    except pytests.MissingFixture as error:
        raise Missing(f"these tests need a plugin of pytest: {error}") from error
