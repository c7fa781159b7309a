"""Give numbers to the objects that cross between two processes by reference, and find the objects behind numbers."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from acereason.sandbox import wire
from acereason.sandbox.classes import STAND_INS
from acereason.sandbox.foreign import Asker, number_of
from acereason.sandbox.known import known_name, named

MUTABLE = (list, dict, set, bytearray)
_IMMUTABLE = (int, float, complex, str, bytes, tuple, frozenset)


class CannotCross(BaseException):
    """A test passes something to the program that only exists in the test's process."""


class References:
    """The objects that this process has lent to the other one, and its stand-ins for the other one's.

    Args:
        peer: the end of the channel by which stand-ins ask.
    """

    def __init__(self, peer: Asker) -> None:
        self._peer = peer
        self.lent: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._foreign: dict[int, Any] = {}
        self.common: Callable[[str], Any] = lambda name: None
        """The class of this name, where both sides have it from the same code."""

    def encode(self, value: Any) -> Any:
        """Return a value as JSON data."""
        return wire.encode(value, self.refer)

    def decode(self, data: Any) -> Any:
        """Return the value of data from the other side."""
        return wire.decode(data, self._resolve)

    def encode_error(self, error: BaseException) -> Any:
        """Return an exception as JSON data, whatever its class is like."""
        try:
            return self.encode(error)
        # why: its class may lie about itself, so that only its name can be told
        except Exception:
            return {"error": [-1, {"known": "builtins:Exception"}, [type(error).__name__], type(error).__name__]}

    def lend(self, value: Any) -> int:
        """Return the number of an object of this process."""
        if id(value) not in self._numbers:
            # why: lent objects are kept for good, so that no other object gets their id
            self._numbers[id(value)] = len(self.lent)
            self.lent.append(value)
        return self._numbers[id(value)]

    def refer(self, value: Any) -> Any:
        """Return the reference by which an object that is no plain data crosses."""
        if (number := number_of(value)) is not None:
            return {"yours": number}
        if isinstance(value, type) and value is self.common(value.__name__):
            return {"common": value.__name__}
        if name := known_name(value, all_functions=self._peer.guarded):
            return {"known": name}
        if isinstance(value, ModuleType) and self._peer.guarded:
            raise CannotCross(f"the module {value.__name__}")
        if isinstance(value, type):
            bases = [self.refer(base) for base in value.__bases__]
            return {"class": [self.lend(value), value.__name__, bases]}
        if isinstance(value, BaseException):
            kind = self.refer(type(value))
            return {"error": [self.lend(value), kind, self._arguments_of(value), _text_of(value)]}
        if isinstance(value, _IMMUTABLE):
            return {"like": [self.lend(value), wire.plain(value, self.refer), type(value).__name__]}
        base = next((kind.__name__ for kind in MUTABLE if isinstance(value, kind)), "")
        return {"mine": [self.lend(value), base]}

    def _resolve(self, name: str, content: Any) -> Any:
        if name == "yours":
            return self.lent[content]
        if name == "common":
            return self.common(content)
        if name == "known":
            return named(content, trusted=not self._peer.guarded)
        number, *parts = content
        if number not in self._foreign:
            self._foreign[number] = STAND_INS[name](self._peer, int(number), *self.decode(parts))
        return self._foreign[number]

    def _arguments_of(self, error: BaseException) -> Any:
        """Return an exception's arguments, or its text where they can't cross."""
        try:
            return self.encode(list(error.args))
        except (CannotCross, RecursionError):
            return [_text_of(error)]


def _text_of(error: BaseException) -> str:
    try:
        return str.__str__(str(error))[:2000]
    # why: a class of the program's may raise from its __str__
    except Exception:
        return ""
