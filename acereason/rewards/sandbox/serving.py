"""What a program's process has for the examiner: its names, what it prints, and where its input comes from."""

import io
import random
from collections.abc import Callable
from typing import Any

from acereason.rewards.sandbox.peer import Peer

_PRINTED_BYTES = 2**20


class Scope:
    """What the examiner may do with the program's names."""

    def __init__(self, names: dict[str, Any], before: dict[str, Any]) -> None:
        self.names, self.before, self.classes = names, before, set[str]()
        self.also: dict[str, Callable[..., Any]] = {
            "scope": self.own, "global": self.get, "set global": self.names.__setitem__,
            "delete global": self.names.__delitem__, "seed": self.seed,
        }  # fmt: skip
        """Action -> what does it."""

    def get(self, name: str) -> Any:
        """A global of the program's."""
        if name not in self.names:
            raise AttributeError(f"module 'solution' has no attribute '{name}'")
        return self.names[name]

    def own(self) -> list[str]:
        """The names that the program defines."""
        found = [name for name, value in self.names.items() if self.before.get(name, self) is not value]
        return [name for name in found if not name.startswith("__")]

    def set_up(self, added: set[str]) -> None:
        """Note the classes that the setup has defined."""
        self.classes = {name for name in added if isinstance(self.names[name], type)}

    def common(self, name: str) -> Any:
        """The class of this name, where the setup defines one."""
        return self.names.get(name) if name in self.classes else None

    def seed(self, *args: Any) -> None:
        """As the test seeds its own random numbers."""
        random.seed(*args)


class Said(io.TextIOWrapper):
    """Standard output that the examiner gets with the next answer, for tests that look at what is printed."""

    def __init__(self) -> None:
        self._kept = io.BytesIO()
        super().__init__(self._kept, "utf-8", "surrogatepass", write_through=True)

    def take(self) -> str:
        """What was printed since the last time."""
        data = self._kept.getvalue()
        if data:
            self._kept.seek(0)
            self._kept.truncate()
        return data[-_PRINTED_BYTES:].decode("utf-8", "replace") if data else ""


class Asked(io.TextIOBase):
    """Standard input that a test may have replaced."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def readline(self, limit: int = -1) -> str:  # type: ignore[override]
        """The test's next line."""
        return str(self._peer.ask("read line"))

    def read(self, limit: int | None = -1) -> str:
        """The rest."""
        return str(self._peer.ask("read"))
