"""What every check of `preflight` answers with."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from acereason.errors import first_line
from acereason.mistakes import mistake

_PROJECT = Path(__file__).parents[2]

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
        """What a block raises is a finding: a user's mistake by its own line, which names its key or is put down to
        `key`; anything else, which the run would end with too, as what it is."""
        try:
            yield
        except Exception as error:
            line = mistake(error)
            if line is None:
                self.add(key, "failure", _unexpected(error))
                return
            named, _, message = line.partition(": ")
            is_key = bool(message) and " " not in named
            self.add(named if is_key else key, "failure", message if is_key else line)

    @property
    def failed(self) -> bool:
        """Whether anything would fail later."""
        return any(check.status == "failure" for check in self.found)


def _unexpected(error: Exception) -> str:
    """An exception that nobody foresaw, with the place in this project that led to it."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PROJECT)] or frames
    place = f"{Path(ours[-1].filename).name}, line {ours[-1].lineno}"
    return f"an unexpected {type(error).__name__} in {place}: {first_line(error)}; the run would end with it"
