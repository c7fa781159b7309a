"""Stand in for objects of the other process.

Whether a program's value equals an expected one is never the program's to say. A value that its function returned is
compared as the data that it is; where it is no data, it equals no data. An operator belongs to the program between two
objects of its own, and where a test made the object itself and treats it as one (`foreign.Proxy.acereason_made`).
"""

from collections.abc import Callable
from typing import Any, Protocol

from acereason.sandbox.actions import BINARY, COMPARISONS, CONVERSIONS
from acereason.sandbox.treatment import Treatment

_CLASSES = {"list": list, "dict": dict, "set": set, "bytearray": bytearray}
_ASKED = [
    "getattr", "delattr", "call", "getitem", "setitem", "delitem", "iter", "next", "reversed", "enter", "aiter", "copy",
]  # fmt: skip
"""Methods that do nothing but ask."""


class Asker(Protocol):
    """What a stand-in needs of its end of the channel (`peer.Peer`)."""

    guarded: bool
    """Whether the other process is a program's."""

    def ask(self, action: str, target: Any = None, /, *args: Any, **kwargs: Any) -> Any:
        """Have the other process act on an object of its own, and return the result."""


def asking(action: str, convert: Callable[[Any], Any] | None = None) -> Callable[..., Any]:
    """Return a method that has the other process do this with the object, and converts the answer."""

    def ask(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        answer = self.acereason_ask(action, *args, **kwargs)
        return convert(answer) if convert else answer

    return ask


def _attribute(name: str) -> Any:
    return property(lambda self: self.acereason_ask("getattr", name))


class Proxy:
    """An object of the other process. Its own names begin with `acereason_`, since any other may be the object's."""

    __slots__ = (
        *("acereason_peer", "acereason_number", "acereason_kind", "acereason_class", "acereason_is_global"),
        *("acereason_made", "acereason_mixed", "__weakref__"),
    )

    def __init__(self, peer: Asker, number: int, kind: str) -> None:
        self.acereason_peer, self.acereason_number, self.acereason_kind = peer, number, kind
        self.acereason_class: Any = None
        self.acereason_is_global = False
        self.acereason_made: Treatment = ""
        """made: a test made it by its class, or from such an object; compared: and compares it with data."""
        self.acereason_mixed = False
        """Whether an operator made it of an object that the program made up, and data of the test."""

    def acereason_ask(self, action: str, /, *args: Any, **kwargs: Any) -> Any:
        """Have the other process do something with this object."""
        return self.acereason_peer.ask(action, self, *args, **kwargs)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # isinstance() looks here
        if self.acereason_kind:
            return _CLASSES[self.acereason_kind]
        if self.acereason_class is None:
            self.acereason_class = self.acereason_ask("type")
        return self.acereason_class if isinstance(self.acereason_class, type) else Proxy

    __dict__ = _attribute("__dict__")

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("acereason_"):
            object.__setattr__(self, name, value)
        else:
            self.acereason_ask("setattr", name, value)

    def __contains__(self, item: Any) -> bool:
        if self._may_judge(item) or self.acereason_made:
            return self.acereason_ask("contains", item) is True
        # why: compared here, where the program's class can't claim to hold the expected item
        return any(item is mine or item == mine for mine in self)  # type: ignore[attr-defined]

    def __exit__(self, kind: Any, error: Any, frames: Any) -> Any:
        return self.acereason_ask("exit", kind, error, None)

    def __await__(self) -> Any:
        yield from ()
        return self.acereason_ask("await")

    async def __anext__(self) -> Any:
        return self.acereason_ask("anext")

    async def __aenter__(self) -> Any:
        return self.acereason_ask("aenter")

    async def __aexit__(self, kind: Any, error: Any, frames: Any) -> Any:
        return self.acereason_ask("aexit", kind, error, None)

    def __deepcopy__(self, memo: Any) -> Any:
        return self.acereason_ask("deepcopy")

    def _may_judge(self, other: Any) -> bool:
        """Return whether its own class says how it compares with `other`."""
        guarded = self.acereason_peer.guarded
        return not guarded or number_of(other) is not None or self.acereason_made == "compared"


def number_of(value: Any) -> int | None:
    """Return the other side's number of an object of its own; None for everything else."""
    # why: isinstance() would ask the other side
    kind = type(value)
    if kind is Proxy:
        return int(value.acereason_number)
    if issubclass(kind, type):
        return vars(value).get("acereason_class_number")
    return value.acereason_number if "acereason_foreign" in vars(kind) else None


def _binary(operator: str) -> Callable[[Proxy, Any], Any]:
    def operate(self: Proxy, other: Any) -> Any:
        if self._may_judge(other) or self.acereason_made:
            return _passed_on(self, self.acereason_ask(operator, other))
        if self.acereason_kind:
            return getattr(self.acereason_ask("data"), f"__{operator}__", lambda value: NotImplemented)(other)
        found = self.acereason_ask(operator, other)
        if not isinstance(found, Proxy):
            # why: the program would otherwise choose the data that the test then compares
            raise TypeError(f"an object that the program made up was combined with {other!r:.80}")
        found.acereason_mixed = True
        return found

    return operate


def _passed_on(left: Proxy, found: Any) -> Any:
    """Return an operator's result; the result of an object that a test made counts as made by the test, too."""
    if isinstance(found, Proxy) and left.acereason_made and not found.acereason_made:
        found.acereason_made = left.acereason_made
    return found


def _comparison(operator: str) -> Callable[[Proxy, Any], Any]:
    def compare(self: Proxy, other: Any) -> Any:
        if self._may_judge(other):
            return self.acereason_ask(operator, other)
        if self.acereason_kind:
            return getattr(self.acereason_ask("data"), f"__{operator}__")(other)
        return NotImplemented

    return compare


def _conversion(operator: str) -> Callable[..., Any]:
    def convert(self: Proxy, *args: Any) -> Any:
        found = self.acereason_ask(operator, *args)
        if self.acereason_mixed and not isinstance(found, Proxy) and operator != "hash":
            raise TypeError("an object that the program made up of data of the test was taken for data")
        if isinstance(found, Proxy):
            found.acereason_mixed = self.acereason_mixed
        return found

    return convert


# why: a class has these two itself, which would hide the object's
for _name in ("__doc__", "__module__"):
    setattr(Proxy, _name, _attribute(_name))
for _make, _names in (
    (asking, _ASKED),
    (_binary, [*BINARY, *(f"{side}{name}" for name in BINARY for side in "ri"), "divmod", "rdivmod"]),
    (_comparison, COMPARISONS),
    (_conversion, CONVERSIONS),
):
    for _name in _names:
        setattr(Proxy, f"__{_name}__", _make(_name))
for _name, _kind in {"len": int, "str": str, "repr": str, "format": str, "dir": list}.items():
    setattr(Proxy, f"__{_name}__", asking(_name, _kind))
