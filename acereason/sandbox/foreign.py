"""Stand in for objects of the other process.

Whether a program's value equals an expected one is never the program's to say. A value that its function returned is
compared as the data that it is; where it is no data, it equals no data. An operator belongs to the program between two
objects of its own, and where a test made the object itself and treats it as one (`foreign.Proxy.acereason_made`).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from acereason.sandbox.actions import BINARY, COMPARISONS, CONVERSIONS
from acereason.sandbox.treatment import Treatment

if TYPE_CHECKING:
    from acereason.sandbox.peer import Peer

_CLASSES = {"list": list, "dict": dict, "set": set, "bytearray": bytearray}


class Proxy:
    """An object of the other process. Its own names begin with `acereason_`, since any other may be the object's."""

    __slots__ = (
        *("acereason_peer", "acereason_number", "acereason_kind", "acereason_class", "acereason_is_global"),
        *("acereason_made", "acereason_mixed", "__weakref__"),
    )

    def __init__(self, peer: "Peer", number: int, kind: str) -> None:
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

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        return self.acereason_ask("attribute", "__dict__")

    def __getattr__(self, name: str) -> Any:
        return self.acereason_ask("attribute", name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("acereason_"):
            object.__setattr__(self, name, value)
        else:
            self.acereason_ask("set attribute", name, value)

    def __delattr__(self, name: str) -> None:
        self.acereason_ask("delete attribute", name)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call it over there."""
        return self.acereason_ask("call", *args, **kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self.acereason_ask("item", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.acereason_ask("set item", key, value)

    def __delitem__(self, key: Any) -> None:
        self.acereason_ask("delete item", key)

    def __len__(self) -> int:
        return int(self.acereason_ask("length"))

    def __iter__(self) -> Any:
        return self.acereason_ask("iterate")

    def __next__(self) -> Any:
        return self.acereason_ask("next")

    def __reversed__(self) -> Any:
        return self.acereason_ask("reversed")

    def __contains__(self, item: Any) -> bool:
        if self._may_judge(item) or self.acereason_made:
            return self.acereason_ask("contains", item) is True
        # why: compared here, where the program's class can't claim to hold the expected item
        return any(item is mine or item == mine for mine in self)

    def __enter__(self) -> Any:
        return self.acereason_ask("enter")

    def __exit__(self, kind: Any, error: Any, frames: Any) -> Any:
        return self.acereason_ask("exit", kind, error, None)

    def __await__(self) -> Any:
        yield from ()
        return self.acereason_ask("await")

    def __aiter__(self) -> Any:
        return self.acereason_ask("aiter")

    async def __anext__(self) -> Any:
        return self.acereason_ask("anext")

    async def __aenter__(self) -> Any:
        return self.acereason_ask("aenter")

    async def __aexit__(self, kind: Any, error: Any, frames: Any) -> Any:
        return self.acereason_ask("aexit", kind, error, None)

    def __str__(self) -> str:
        return str(self.acereason_ask("text"))

    def __repr__(self) -> str:
        return str(self.acereason_ask("repr"))

    def __format__(self, form: str) -> str:
        return str(self.acereason_ask("format", form))

    def __dir__(self) -> list[str]:
        return list(self.acereason_ask("names"))

    def __copy__(self) -> Any:
        return self.acereason_ask("copy")

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


def _attribute(name: str) -> Callable[[Proxy], Any]:
    return lambda self: self.acereason_ask("attribute", name)


# why: a class has these two itself, which would hide the object's
for _name in ("__doc__", "__module__"):
    setattr(Proxy, _name, property(_attribute(_name)))
for _name in (*BINARY, *(f"r{name}" for name in BINARY), *(f"i{name}" for name in BINARY), "divmod", "rdivmod"):
    setattr(Proxy, f"__{_name}__", _binary(_name))
for _name in COMPARISONS:
    setattr(Proxy, f"__{_name}__", _comparison(_name))
for _name in CONVERSIONS:
    setattr(Proxy, f"__{_name}__", _conversion(_name))
