"""The examiner's view of the program: its objects as proxies, its plain data as values."""

import builtins
import json
import socket
from collections.abc import Iterator
from typing import Any

from acereason.rewards.sandbox import wire
from acereason.rewards.sandbox.program import CHANNEL

_LONGEST_ANSWER = 64 * 2**20
"""Bytes."""


class ProgramRaised(Exception):
    """An exception of the program whose type isn't one of Python's own."""


class ProgramEnded(BaseException):
    """The program's process is gone; no test code catches this by accident."""


class CannotCross(BaseException):
    """The test passes something to the program that only exists in this process."""


class Proxy:
    """An object of the program's process."""

    def __init__(self, program: "Program", number: int) -> None:
        self.__dict__.update(_program=program, _number=number, _is_global=False)

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
        self.ended = False
        """Whether it once didn't answer; tests that catch everything can't hide that."""
        self.raised: BaseException | None = None
        """The last exception that the program raised."""

    def names(self) -> list[str]:
        """What the program defines."""
        found = self._request({"do": "scope"})["value"]
        return [str(name) for name in found]

    def get(self, name: str) -> Any:
        """A global of the program."""
        value = self._value(self._request({"do": "global", "name": name}))
        if isinstance(value, Proxy):
            value.__dict__["_is_global"] = True
        return value

    def ask(self, action: str, target: Proxy, *args: Any, **kwargs: Any) -> Any:
        """Have the program's process do something with an object of its own."""
        try:
            passed = [wire.encode(value, _number_of) for value in (target, list(args), kwargs)]
        except CannotCross as error:
            if target._is_global:
                raise
            raise TypeError(f"{error} is passed to an object that the program made up") from None
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
            self.ended = True
            raise ProgramEnded from error
        return answer


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
