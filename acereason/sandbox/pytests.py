"""Run test functions by pytest itself, with fixtures, parametrizations, marks and classes."""

import asyncio
import inspect
import os
import unittest
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

_PLUGINS = [
    "cacheprovider", "faulthandler", "junitxml", "pastebin", "doctest", "stepwise", "terminal", "logging", "debugging",
]  # fmt: skip
_OPTIONS = [f"-pno:{name}" for name in _PLUGINS] + ["--capture=sys", "--rootdir=.", "-c/dev/null"]
_FILE = "tests.module"
"""The file that stands for the loaded module; not `.py`, since pytest would import it itself."""


class MissingFixture(Exception):
    """A test asks for a fixture that no plugin here has."""


def run(module: ModuleType, wanted: set[str]) -> None:
    """Have pytest run the wanted functions and classes of a loaded module.

    Raises:
        MissingFixture: a test needs a plugin that is not installed here.
        BaseException: the exception of the first test that fails.
    """
    Path(_FILE).touch()
    # why: looking for plugins takes longer than the tests
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    plugin = _Plugin(module, wanted)
    code = pytest.main([*_OPTIONS, _FILE], plugins=[plugin])
    if plugin.error:
        raise plugin.error
    if code != pytest.ExitCode.OK:
        raise RuntimeError(f"pytest ended with {code!r}")


class _Plugin:
    def __init__(self, module: ModuleType, wanted: set[str]) -> None:
        self.module, self.wanted = module, wanted
        self.error: BaseException | None = None

    def pytest_collect_file(self, file_path: Path, parent: Any) -> Any:
        if file_path.name != _FILE:
            return None
        collector = _Module.from_parent(parent, path=file_path)
        collector.obj = self.module
        return collector

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = [item for item in items if self._is_wanted(item)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: Any) -> bool | None:
        """Run a test that is a coroutine, for which pytest alone has no runner."""
        if not inspect.iscoroutinefunction(pyfuncitem.obj):
            return None
        names = pyfuncitem._fixtureinfo.argnames
        asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
        return True

    def pytest_exception_interact(self, node: Any, call: Any) -> None:
        if self.error is None:
            error = call.excinfo.value
            lacking = type(error).__name__ == "FixtureLookupError"
            self.error = MissingFixture(f"no fixture {error.argname!r} here") if lacking else error
            # why: one failed test decides the verdict
            node.session.shouldfail = "enough"

    def _is_wanted(self, item: Any) -> bool:
        kind = getattr(item, "cls", None)
        # why: unittest has run these already (frameworks.py)
        if kind is not None and issubclass(kind, unittest.TestCase):
            return False
        outermost = item
        while outermost.parent is not None and not isinstance(outermost.parent, pytest.Module):
            outermost = outermost.parent
        return getattr(outermost, "originalname", outermost.name) in self.wanted


class _Module(pytest.Module):
    """A module that is already loaded, which pytest must not import."""

    def _getobj(self) -> ModuleType:
        return self.obj

    def _importtestmodule(self) -> ModuleType:
        return self.obj
