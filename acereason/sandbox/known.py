"""Name functions and classes of the standard library, which cross between the processes by name."""

import importlib
import sys
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType, WrapperDescriptorType
from typing import Any

_FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodDescriptorType, WrapperDescriptorType)
_CLASSES = {
    "builtins", "collections", "datetime", "decimal", "fractions", "enum", "types", "typing", "abc", "numbers", "uuid",
    "pathlib", "collections.abc", "array", "random", "string",
}  # fmt: skip
"""Modules whose classes a program may name to the examiner: making an instance of one has no effect."""


def known_name(value: Any, all_functions: bool) -> str | None:
    """Return `module:name` of something that both sides have, or None. `all_functions`: of functions, too."""
    if not isinstance(value, (type, *_FUNCTIONS) if all_functions else type):
        return None
    owner = getattr(value, "__objclass__", value)
    module, name = getattr(owner, "__module__", None), getattr(value, "__qualname__", "")
    if not isinstance(module, str) or module.partition(".")[0] not in sys.stdlib_module_names:
        return None
    if not all_functions and module not in _CLASSES and not issubclass(value, BaseException):  # type: ignore[arg-type]
        return None
    found = f"{module}:{name}"
    # why: an object may lie about its name, so the name is looked up
    try:
        return found if _find(found) is value else None
    except (ImportError, AttributeError):
        return None


def named(text: str, trusted: bool) -> Any:
    """Return the object that `known_name` named.

    Raises:
        ValueError: `text` comes from a program, and names something that it has no reason to.
    """
    found = _find(text)
    harmless = isinstance(found, type) and (text.partition(":")[0] in _CLASSES or issubclass(found, BaseException))
    # why: a program that raises unittest's SkipTest would have the test skipped
    if not trusted and (not harmless or text.startswith("unittest")):
        raise ValueError(f"{text} is no class that a value can be of")
    return found


def _find(text: str) -> Any:
    module, _, path = text.partition(":")
    if module.partition(".")[0] not in sys.stdlib_module_names:
        raise ImportError(module)
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return found
