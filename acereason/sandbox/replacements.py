"""Replace functions of Python's that test code calls by ones that know objects of the program's process."""

import asyncio
import functools
import importlib
import random
import sys
from collections.abc import Callable
from typing import Any

from acereason.sandbox.foreign import Asker, Proxy, number_of

_OVER_THERE = {
    "dataclasses": ["asdict", "astuple", "fields", "is_dataclass", "replace"],
    "inspect": [
        "isclass", "signature", "isgenerator", "isgeneratorfunction", "iscoroutine", "iscoroutinefunction",
        "isabstract", "isfunction", "ismethod", "getmembers", "getdoc", "getsource", "isawaitable",
        "isasyncgenfunction",
    ],
    "typing": ["get_type_hints"], "functools": ["singledispatch"],
}  # fmt: skip
"""Functions that look at how an object is made: for an object of the program they run in its process."""


def type_for(peer: Asker) -> type:
    """Return `type` for test code: the class of a program's object is the program's."""

    class Type(type):
        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            if len(args) == 1 and number_of(args[0]) is not None:
                return peer.ask("type", args[0])
            return type(*args, **kwargs)

        def __instancecheck__(cls, value: Any) -> bool:
            return isinstance(value, type)

    return Type("type", (), {})


def replace_functions(peer: Asker, source: str) -> None:
    """Replace functions of Python's in this process, as far as the test code `source` may use them."""
    for module, functions in _OVER_THERE.items():
        # why: unittest.mock calls inspect, so its functions are replaced even where the tests don't name it
        for name in functions if module in source or module == "inspect" else []:
            original = getattr(importlib.import_module(module), name)
            setattr(sys.modules[module], name, _where_the_object_is(peer, original))
    asyncio.run = _running(asyncio.run)
    random.seed = _seeding(peer, random.seed)


def _where_the_object_is(peer: Asker, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        theirs = bool(args) and number_of(args[0]) is not None
        return peer.ask("call", call, *args, **kwargs) if theirs else function(*args, **kwargs)

    return call


def _running(function: Callable[..., Any]) -> Callable[..., Any]:
    async def awaited(proxy: Proxy) -> Any:
        return await proxy

    @functools.wraps(function)
    def run_it(main: Any, **options: Any) -> Any:
        return function(awaited(main) if type(main) is Proxy else main, **options)

    return run_it


def _seeding(peer: Asker, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `random.seed` for test code, which seeds the program's random numbers, too."""

    def seed(*args: Any) -> Any:
        peer.ask("seed", None, *args)
        return function(*args)

    return seed
