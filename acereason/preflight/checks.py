"""What every check of `preflight` answers with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from acereason.errors import UserError

Status = Literal["ok", "warning", "failure"]


@dataclass
class Check:
    """One finding about one key of the config."""

    key: str
    status: Status
    message: str


@dataclass
class Checks:
    """The findings so far."""

    found: list[Check] = field(default_factory=list)

    def add(self, key: str, status: Status, message: str) -> None:
        """Take in one finding."""
        self.found.append(Check(key, status, message))

    def require(self, key: str, met: bool, message: str, failure: str) -> None:
        """`message` where a requirement is met, else a failure."""
        self.add(key, "ok" if met else "failure", message if met else failure)

    @contextmanager
    def catching(self, key: str) -> Iterator[None]:
        """A user's mistake inside the block is a finding; it names its own key, else it is put down to `key`."""
        try:
            yield
        except UserError as error:
            named, _, message = str(error).partition(": ")
            is_key = bool(message) and " " not in named
            self.add(named if is_key else key, "failure", message if is_key else str(error))

    @property
    def failed(self) -> bool:
        """Whether anything would fail later."""
        return any(check.status == "failure" for check in self.found)
