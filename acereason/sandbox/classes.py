"""Make stand-ins for classes of the other process, for its exceptions, and for data of its own classes."""

from collections.abc import Callable
from typing import Any

from acereason.sandbox.actions import BINARY, COMPARISONS, CONVERSIONS
from acereason.sandbox.foreign import Asker, Proxy, asking, number_of
from acereason.sandbox.treatment import Treatment


class ForeignClass(type):
    """The metaclass of classes of the other process: calling such a class makes an instance over there."""

    acereason_peer: Asker
    acereason_made: Treatment

    def __call__(cls, /, *args: Any, **kwargs: Any) -> Any:
        """Make an instance over there."""
        made = cls.acereason_ask("call", *args, **kwargs)
        if type(made) is Proxy and cls.acereason_made:
            made.acereason_made = cls.acereason_made
        return made

    def acereason_ask(cls, action: str, /, *args: Any, **kwargs: Any) -> Any:
        """Have the other process do something with this class."""
        return cls.acereason_peer.ask(action, cls, *args, **kwargs)

    @property
    def __doc__(cls) -> Any:  # type: ignore[override]
        return cls.acereason_ask("getattr", "__doc__")

    def __setattr__(cls, name: str, value: Any) -> None:
        if name.startswith(("acereason_", "__")):
            super().__setattr__(name, value)
        else:
            cls.acereason_ask("setattr", name, value)

    def __bool__(cls) -> bool:
        return True


# why: an object of the program's that counts as true is no answer
_CONVERTED = {"len": int, "repr": str} | dict.fromkeys(
    ("contains", "instancecheck", "subclasscheck"), lambda answer: answer is True
)
for _name in ("getattr", "getitem", "iter", *_CONVERTED):
    setattr(ForeignClass, f"__{_name}__", asking(_name, _CONVERTED.get(_name)))


def _class(peer: Asker, number: int, name: str, bases: list[Any]) -> type:
    """Return the stand-in for a class of the other process."""
    kept: dict[str, Any] = {
        "acereason_class_number": number, "acereason_peer": peer, "acereason_made": "", "__module__": "solution",
    }  # fmt: skip
    if any(type.__subclasscheck__(BaseException, base) for base in bases if isinstance(base, type)):
        kept |= {
            "acereason_foreign": True, "__str__": lambda self: self.acereason_text,
            "__getattr__": lambda self, wanted: peer.ask("getattr", self, wanted),
        }  # fmt: skip
        kept["__eq__"], kept["__hash__"] = lambda self, other: self is other, object.__hash__
    foreign = [base for base in bases if type(base) is ForeignClass]
    errors = [base for base in bases if type(base) is type and issubclass(base, BaseException)]
    return ForeignClass(name, (*foreign, *errors), kept)


def _error(peer: Asker, number: int, kind: Any, args: list[Any], text: str) -> BaseException:
    """Return an exception of the other process, which test code can catch."""
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        raise ValueError("an exception needs a class")
    made = kind.__new__(kind, *args)
    made.args = tuple(args)
    if type(kind) is ForeignClass:
        made.acereason_number, made.acereason_text = number, text  # type: ignore[attr-defined]
        return made
    try:
        return kind(*args)
    # why: a class may take other arguments than its exceptions keep in `args`
    except TypeError:
        return made


def _like(peer: Asker, number: int, value: Any, name: str) -> Any:
    """Return a number, text or tuple of the other process's class: data here, with the attributes it has there."""
    base = next(kind for kind in (int, float, complex, str, bytes, tuple, frozenset) if isinstance(value, kind))
    kept: dict[str, Any] = {
        "acereason_foreign": True, "acereason_number": number, "acereason_peer": peer, "__module__": "solution",
        "acereason_ask": lambda self, action, *args: peer.ask(action, self, *args), "__getattr__": asking("getattr"),
        "__str__": asking("str", str), "__repr__": asking("repr", str), "__format__": asking("format", str),
        "__class__": property(lambda self: peer.ask("type", self)),
        # why: Python takes the hash from a class that defines __eq__ and no __hash__
        "__hash__": base.__hash__,
    }  # fmt: skip
    for operator in (*BINARY, *(f"r{name}" for name in BINARY), *COMPARISONS):
        kept[f"__{operator}__"] = _of_like(peer, base, operator)
    for operator in CONVERSIONS:
        if not hasattr(base, f"__{operator}__") and operator not in ("bool", "round"):
            kept[f"__{operator}__"] = asking(operator)
    return type(name, (base,), kept)(value)


def _of_like(peer: Asker, base: type, operator: str) -> Callable[[Any, Any], Any]:
    """Return the operator: its class's with another object of the other process, its data's with everything else."""
    ordinary = getattr(base, f"__{operator}__", None)

    def operate(self: Any, other: Any) -> Any:
        # why: the program must not say how its value compares with data of the test
        if number_of(other) is not None or not peer.guarded:
            return peer.ask(operator, self, other)
        return ordinary(self, other) if ordinary else NotImplemented

    return operate


STAND_INS: dict[str, Callable[..., Any]] = {"mine": Proxy, "class": _class, "error": _error, "like": _like}
"""Kind of reference (`references.py`) -> what makes its stand-in, of the channel's end and the other parts."""
