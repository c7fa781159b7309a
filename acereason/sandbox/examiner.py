"""Run test code in a process of its own: it asks the program's process for values, and compares them where the program
has no reach.

Names that the test code uses and doesn't define stand for the program's. Plain data comes over by value and is compared
as Python compares it; functions, classes and other objects come as proxies (`foreign.py`). Lists, dicts and sets that
the program changes in place are changed here too, and the other way round. Functions and objects of the test code go
over as proxies, too: the program may call them and use the attributes that their class defines.

Tests run as their framework would run them (`frameworks.py`), also tests that the code defines and never calls.
"""

import ast
import builtins
import json
import os
import socket
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

from acereason.sandbox import frameworks
from acereason.sandbox.actions import COMPARISONS
from acereason.sandbox.classes import ForeignClass
from acereason.sandbox.foreign import Proxy, number_of
from acereason.sandbox.inplace import change_in_place
from acereason.sandbox.peer import Peer, PeerEnded
from acereason.sandbox.program import CHANNEL
from acereason.sandbox.references import CannotCross
from acereason.sandbox.replacements import replace_functions, type_for
from acereason.sandbox.treatment import treatment

_AIDS = (ModuleType, type)
"""Kinds of names of the prelude that test code finds, too; functions are left out, lest they pass for the program's."""


def run(job: dict[str, Any], names: dict[str, Any]) -> None:
    """Examine the program on fd 3 by the job's `setup` and `tests` (`pytest`: they are a module for pytest).

    Writes the outcome as one JSON line to stdout, then ends this process.
    """
    # why: kept aside for the outcome: test code may print, or replace standard output
    told = os.dup(1)
    sys.stdout, sys.stdin = open(os.devnull, "w"), open(0, closefd=False)  # noqa: SIM115  what tests print goes nowhere
    channel = socket.socket(fileno=CHANNEL)
    # why: looked up at each call, since a test may have put a function or a file of its own in their place
    also: dict[str, Callable[..., Any]] = {
        "input": lambda text: input(text), "read line": lambda: sys.stdin.readline(), "read": lambda: sys.stdin.read(),
    }  # fmt: skip
    peer = Peer(channel.makefile("rb"), lambda text: channel.sendall(text.encode() + b"\n"), guarded=True, also=also)
    # why: a test that speaks of StopIteration expects it
    if "StopIteration" not in job["tests"]:
        peer.surprising = {"call", "getattr", "getitem", *COMPARISONS}
    outcome, note = _judge(peer, job, names)
    os.write(told, json.dumps({"outcome": outcome, "note": note[:500]}).encode())
    os._exit(0)


def _judge(peer: Peer, job: dict[str, Any], names: dict[str, Any]) -> tuple[str, str]:
    try:
        _examine(peer, job, names)
    except PeerEnded:
        return "runtime error", "the program ended before it answered"
    except CannotCross as error:
        return "error", f"this test can't be taken out of the program's process: it passes {error} to the program"
    except frameworks.Missing as error:
        return "error", str(error)
    except ModuleNotFoundError as error:
        # why: only a module that the tests import can be lacking through no fault of the program's
        needed = error is not peer.raised and error.name in _imported(job["setup"] + "\n" + job["tests"])
        return "error" if needed else "runtime error", _where(error, job["tests"])
    # why: an assertion, or any other error of a test about a program that isn't as it should be
    except BaseException as error:
        theirs = error is peer.raised or isinstance(error, (NameError, ImportError))
        return "runtime error" if theirs else "wrong", _where(error, job["tests"])
    return ("runtime error", "the program ended while it was tested") if peer.ended else ("passed", "")


def _imported(source: str) -> set[str]:
    """Return the modules that the code's import statements name, the program aside."""
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
    told = f"{type(error).__name__}: {_text(error)}".removesuffix(": ")
    return f"{told} at {line}" if line else told


def _text(error: BaseException) -> str:
    try:
        return str(error)
    # why: a class of the program's whose process is gone can't give its text; the verdict stands without it
    except BaseException:
        return ""


def _examine(peer: Peer, job: dict[str, Any], names: dict[str, Any]) -> None:
    defined = peer.ask("defined")
    tree = ast.parse(job["tests"])
    treated = treatment(tree)
    sys.modules["solution"] = _Solution(peer, defined, treated)
    module = sys.modules["tests"] = ModuleType("tests")
    scope = vars(module)
    replace_functions(peer, job["setup"] + job["tests"])
    _run_setup(peer, job["setup"], scope)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - scope.keys()
    theirs = _of_program(used & set(defined), names)
    scope.update({name: names[name] for name in used & names.keys() - theirs if isinstance(names[name], _AIDS)})
    scope.update({name: getattr(sys.modules["solution"], name) for name in theirs})
    _follow(peer, scope, [name for name in theirs if number_of(scope[name]) is None])
    if "type" in used:
        scope["type"] = type_for(peer)
    frameworks.run(tree, module, job["pytest"], lambda error: error is peer.raised)


def _run_setup(peer: Peer, source: str, scope: dict[str, Any]) -> None:
    """Run the setup; both sides have its classes, so an object of one crosses as an object of the other."""
    scope["__name__"] = "setup"
    exec(compile(source, "<setup>", "exec"), scope)
    classes = {name for name, value in scope.items() if isinstance(value, type) and value.__module__ == "setup"}
    peer.references.common = lambda name: scope.get(name) if name in classes else None


def _follow(peer: Peer, scope: dict[str, Any], names: list[str]) -> None:
    """Update variables of the program that hold data when it changes them, unless the test has replaced them."""
    last = {name: scope[name] for name in names}

    def changed(name: str, value: Any) -> None:
        if scope.get(name) is last[name]:
            scope[name] = last[name] = change_in_place(last[name], value)

    peer.changed = changed
    if names:
        peer.ask("watch", None, names)


class _Solution(ModuleType):
    """The program as a module, for tests that import it or replace a name in it."""

    def __init__(self, peer: Peer, defined: list[str], treated: dict[str, Any]) -> None:
        super().__init__("solution")
        self.__dict__.update(_peer=peer, _treated=treated, __all__=defined, __file__="solution.py")

    def __getattr__(self, name: str) -> Any:
        if name not in self.__dict__["__all__"]:
            raise AttributeError(f"module 'solution' has no attribute '{name}'")
        value = self.__dict__["_peer"].ask("global", None, name)
        if type(value) is Proxy:
            value.acereason_is_global = True
        elif type(value) is ForeignClass:
            value.acereason_made = self.__dict__["_treated"].get(name, "")
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # why: importlib sets such names on every module
        if name.startswith("__"):
            super().__setattr__(name, value)
        else:
            self.__dict__["_peer"].ask("set global", None, name, value)

    def __delattr__(self, name: str) -> None:
        self.__dict__["_peer"].ask("delete global", None, name)


def _of_program(names: set[str], prelude: dict[str, Any]) -> set[str]:
    """Return which names mean the program's, of all that it defines and the tests use.

    It can't replace Python's own functions and modules under the tests, unless they test nothing else (MBPP asks for a
    function `sum`).
    """
    pythons = vars(builtins).keys() | {name for name, value in prelude.items() if isinstance(value, ModuleType)}
    return names - pythons or names
