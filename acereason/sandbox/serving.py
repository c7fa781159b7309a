"""Serve the examiner in a program's process: the program's names, its printed text, and its input."""

import io
import random
from collections.abc import Callable
from typing import Any

from acereason.sandbox.peer import Peer

_PRINTED_BYTES = 2**20


class Scope:
    """The program's names, with the actions on them that the examiner may ask for."""

    def __init__(self, names: dict[str, Any], before: dict[str, Any]) -> None:
        self.names, self.before, self.classes = names, before, set[str]()
        self.also: dict[str, Callable[..., Any]] = {
            "scope": self.own, "global": self.get, "set global": self.names.__setitem__,
            "delete global": self.names.__delitem__, "seed": self.seed,
        }  # fmt: skip
        """Action -> the function that does it."""

    def get(self, name: str) -> Any:
        """Return a global variable of the program."""
        if name not in self.names:
            raise AttributeError(f"module 'solution' has no attribute '{name}'")
        return self.names[name]

    def own(self) -> list[str]:
        """Return the names that the program defines."""
        # why: no variable holds this scope, so a new name counts even where its value is None
        found = [name for name, value in self.names.items() if self.before.get(name, self) is not value]
        return [name for name in found if not name.startswith("__")]

    def set_up(self, added: set[str]) -> None:
        """Note the classes that the setup has defined."""
        self.classes = {name for name in added if isinstance(self.names[name], type)}

    def common(self, name: str) -> Any:
        """Return the class of this name, where the setup defines one."""
        return self.names.get(name) if name in self.classes else None

    def seed(self, *args: Any) -> None:
        """Seed the program's random numbers, as the test seeds its own."""
        random.seed(*args)


class Said(io.TextIOWrapper):
    """Standard output whose text the examiner gets with the next answer, for tests that look at it."""

    def __init__(self) -> None:
        self._kept = io.BytesIO()
        super().__init__(self._kept, "utf-8", "surrogatepass", write_through=True)

    def take(self) -> str:
        """Return the text that was printed since the last call."""
        data = self._kept.getvalue()
        if data:
            self._kept.seek(0)
            self._kept.truncate()
        return data[-_PRINTED_BYTES:].decode("utf-8", "replace") if data else ""


class Asked(io.TextIOBase):
    """Standard input that asks the examiner, where a test may have replaced it."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def readline(self, limit: int = -1) -> str:  # type: ignore[override]
        """Return the test's next line."""
        return str(self._peer.ask("read line"))

    def read(self, limit: int | None = -1) -> str:
        """Return the rest of the test's input."""
        return str(self._peer.ask("read"))
