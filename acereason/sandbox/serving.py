"""Serve the examiner in a program's process: the program's names, its printed text, and its input."""

import io
import random
from collections.abc import Callable
from typing import Any

from acereason.sandbox.peer import Peer

_PRINTED_BYTES = 2**20


def actions(names: dict[str, Any], before: dict[str, Any]) -> dict[str, Callable[..., Any]]:
    """Return the actions on a program's global variables that the examiner may ask for.

    Args:
        names: the variables.
        before: the same as they were before the program.
    """

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module 'solution' has no attribute '{name}'")
        return names[name]

    def defined() -> list[str]:
        # why: no variable holds this dict, so a new name counts even where its value is None
        return [name for name in names if before.get(name, before) is not names[name] and not name.startswith("__")]

    return {
        "defined": defined, "global": get, "set global": names.__setitem__, "delete global": names.__delitem__,
        "seed": random.seed,
    }  # fmt: skip


class Printed(io.TextIOWrapper):
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
