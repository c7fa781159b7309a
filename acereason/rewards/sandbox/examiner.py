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
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from acereason.rewards.sandbox import wire
from acereason.rewards.sandbox.program import CHANNEL

_AIDS = (ModuleType, type)
"""What of the prelude test code finds, too; its functions aren't there, lest they pass for the program's."""
_LONGEST_ANSWER = 64 * 2**20
"""Bytes."""


class ProgramRaised(Exception):
    """An exception of the program whose type isn't one of Python's own."""


class ProgramEnded(BaseException):
    """The program's process is gone; no test code catches this by accident."""


class CannotCross(BaseException):
    """The test needs something in the program's process that only exists in this one."""


class Proxy:
    """An object of the program's process."""

    def __init__(self, program: "Program", number: int) -> None:
        self.__dict__.update(_program=program, _number=number)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._program.ask("attribute", self, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it over there."""
        return self._program.ask("call", self, *args, **kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self._program.ask("item", self, key)

    def __len__(self) -> int:
        return int(self._program.ask("length", self))

    def __iter__(self) -> Iterator[Any]:
        return iter(list.__iter__(self._program.ask("list", self)))

    def __contains__(self, item: Any) -> bool:
        return self._program.ask("contains", self, item) is True

    def __instancecheck__(self, value: Any) -> bool:
        return self._program.ask("instance", self, value) is True

    def __bool__(self) -> bool:
        return self._program.ask("truth", self) is True

    def __str__(self) -> str:
        return str(self._program.ask("text", self))

    def __repr__(self) -> str:
        return str(self._program.ask("repr", self))


class Program:
    """The other end of the channel."""

    def __init__(self) -> None:
        self._channel = socket.socket(fileno=CHANNEL)
        self._lines = self._channel.makefile("rb")
        self._proxies: dict[int, Proxy] = {}
        self.raised: BaseException | None = None
        """The last exception that the program raised."""

    def names(self) -> list[str]:
        """What the program defines."""
        found = self._request({"do": "scope"})["value"]
        return [str(name) for name in found]

    def get(self, name: str) -> Any:
        """A global of the program."""
        return self._value(self._request({"do": "global", "name": name}))

    def ask(self, action: str, target: Proxy, *args: Any, **kwargs: Any) -> Any:
        """Have the program's process do something with an object of its own."""
        passed = [wire.encode(value, _number_of) for value in (target, list(args), kwargs)]
        answer = self._request(dict(zip(("do", "target", "args", "kwargs"), (action, *passed), strict=True)))
        value = self._value(answer)
        for mine, theirs in zip([*args, *kwargs.values()], self._decode(answer["args"]), strict=True):
            _change_in_place(mine, theirs)
        return value

    def _value(self, answer: dict[str, Any]) -> Any:
        if "raised" not in answer:
            return self._decode(answer["value"])
        known = getattr(builtins, str(answer["raised"]), None)
        kind = known if isinstance(known, type) and issubclass(known, Exception) else ProgramRaised
        try:
            self.raised = kind(answer["text"])
        except TypeError:  # UnicodeDecodeError and its like want more arguments
            self.raised = ProgramRaised(f"{answer['raised']}: {answer['text']}")
        raise self.raised

    def _decode(self, data: Any) -> Any:
        return wire.decode(data, lambda number: self._proxies.setdefault(number, Proxy(self, number)))

    def _request(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            self._channel.sendall(json.dumps(request).encode() + b"\n")
            line = self._lines.readline(_LONGEST_ANSWER)
            answer: dict[str, Any] = json.loads(line)
        except (OSError, ValueError, RecursionError) as error:
            raise ProgramEnded from error
        return answer


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
    except (AssertionError, NameError) as error:
        return "runtime error" if error is program.raised else "wrong", _where(error, job["tests"])
    except (ImportError, SyntaxError) as error:
        return "runtime error" if error is program.raised else "error", f"{type(error).__name__}: {error}"
    except BaseException as error:
        outcome = "runtime error" if error is program.raised else "wrong"
        return outcome, _where(error, job["tests"])
    return "passed", ""


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


def _number_of(value: Any) -> int:
    if isinstance(value, Proxy):
        return int(value._number)
    raise CannotCross(f"a {type(value).__name__}")


def _change_in_place(mine: Any, theirs: Any) -> None:
    if type(mine) is type(theirs) and mine is not theirs:
        if isinstance(mine, list):
            mine[:] = theirs
        elif isinstance(mine, (dict, set)):
            mine.clear()
            mine.update(theirs)
