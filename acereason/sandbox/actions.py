"""Define the actions that one side may ask of an object of the other side; they run where the object is."""

import asyncio
import copy
import functools
import math
import operator
from collections.abc import Callable
from typing import Any

BINARY = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift"]
"""Operators of two values, which exist as `__add__`, `__radd__` and `__iadd__`."""
COMPARISONS = ["eq", "ne", "lt", "le", "gt", "ge"]
CONVERSIONS: dict[str, Callable[..., Any]] = {
    "neg": operator.neg, "pos": operator.pos, "invert": operator.invert, "abs": abs, "int": int, "float": float,
    "complex": complex, "index": operator.index, "round": round, "trunc": math.trunc, "floor": math.floor,
    "ceil": math.ceil, "bytes": bytes, "hash": hash, "bool": bool,
}  # fmt: skip
"""Operators and conversions of one value."""
_OPERATORS = {name: getattr(operator, f"__{name}__") for name in BINARY}


def reflected(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return the function with its two values exchanged."""
    return lambda value, other: function(other, value)


# why: one loop for all requests: an asyncio lock or queue works only in the loop that first used it
@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def _finish(awaitable: Any) -> Any:
    async def awaited() -> Any:
        return await awaitable

    return _loop().run_until_complete(awaited())


ACTIONS: dict[str, Callable[..., Any]] = {
    "getattr": getattr, "setattr": setattr, "delattr": delattr,
    "call": lambda function, *args, **kwargs: function(*args, **kwargs),
    "getitem": operator.getitem, "setitem": operator.setitem, "delitem": operator.delitem,
    "len": len, "iter": iter, "next": next, "reversed": reversed, "contains": operator.contains,
    "type": type, "dir": dir, "instancecheck": reflected(isinstance), "subclasscheck": reflected(issubclass),
    "str": str, "repr": repr, "format": format,
    "enter": lambda value: type(value).__enter__(value),
    "exit": lambda value, *failure: type(value).__exit__(value, *failure),
    "await": _finish,
    "aiter": aiter, "anext": lambda value: _finish(anext(value)),
    "aenter": lambda value: _finish(type(value).__aenter__(value)),
    "aexit": lambda value, *failure: _finish(type(value).__aexit__(value, *failure)),
    "copy": copy.copy, "deepcopy": copy.deepcopy,
    "divmod": divmod, "rdivmod": reflected(divmod),
    **CONVERSIONS,
    **_OPERATORS,
    **{f"r{name}": reflected(function) for name, function in _OPERATORS.items()},
    **{f"i{name}": getattr(operator, f"__i{name}__") for name in BINARY},
    **{name: getattr(operator, f"__{name}__") for name in COMPARISONS},
}  # fmt: skip
"""Name -> function of the object and of the request's arguments; most are named as the method that asks for them."""
