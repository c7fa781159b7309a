"""Check each request that a program makes about objects which a test passed to it."""

from types import FunctionType
from typing import Any

_OF_FUNCTIONS = {"__name__", "__qualname__", "__doc__", "__module__"}
"""Attributes of functions that `functools.wraps` copies."""


class Refused(AttributeError):
    """A program asks for something that it may not have."""


def check(request: dict[str, Any], target: Any, args: list[Any]) -> None:
    """Check that a program may ask this of the examiner.

    Raises:
        Refused: it may not.
    """
    if not isinstance(request["target"], dict) or "yours" not in request["target"]:
        raise Refused("only of what it was given")
    if request["do"] in ("setattr", "getattr", "delattr"):
        kind = type(target)
        if kind is FunctionType and request["do"] == "getattr" and args[0] in _OF_FUNCTIONS:
            return
        # why: an attribute of any other object may lead to
        # the expected values, as `function.__globals__` does
        own = kind.__module__ in ("tests", "__main__", "setup", "_io", "io", "unittest.mock")
        if not own or str(args[0]).startswith("_"):
            raise Refused(f"a test's {kind.__name__} is no object of a class of its own")
    elif request["do"] == "dir":
        raise Refused(request["do"])
