"""This module has the findings of `preflight`'s checks, as a table for people and as JSON for machines."""

import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.text import Text

from acereason.common.errors import first_line
from acereason.common.files import write_json
from acereason.common.terminal import table
from acereason.verbs.mistakes import mistake

_PROJECT = Path(__file__).parents[3]

Status = Literal["ok", "warning", "failure"]
_COLOURS = {"ok": "green", "warning": "yellow", "failure": "red"}


@dataclass
class Check:
    """A finding about one key of the config."""

    key: str
    status: Status
    message: str


@dataclass
class Checks:
    """The findings so far."""

    found: list[Check] = field(default_factory=list)

    def add(self, key: str, status: Status, message: str) -> None:
        """Add a finding."""
        self.found.append(Check(key, status, message))

    def require(self, key: str, met: bool, message: str, failure: str) -> None:
        """Add a finding of status ok with `message` where a requirement is met, else a failure."""
        self.add(key, "ok" if met else "failure", message if met else failure)

    @contextmanager
    def catching(self, key: str) -> Iterator[None]:
        """Turn an exception in the block into a finding.

        A user's mistake keeps its own line, under the key that the line names or else under `key`; any other exception,
        by which the run would end too, is reported with its type and place.
        """
        try:
            yield
        # why: everything, since one check that fails must not hide the findings of the others
        except Exception as error:
            line = mistake(error)
            if line is None:
                self.add(key, "failure", _unexpected(error))
                return
            named, _, message = line.partition(": ")
            # why: a mistake's line begins with its key, `KEY: ...`; a sentence with a colon has spaces before it
            is_key = bool(message) and " " not in named
            self.add(named if is_key else key, "failure", message if is_key else line)

    @property
    def failed(self) -> bool:
        """Whether anything would fail later."""
        return any(check.status == "failure" for check in self.found)

    def report(self, output: str | None = None) -> None:
        """Print all findings as a table, and write them to a file as JSON where one is named.

        Raises:
            SystemExit: there is a failure; its status is 1.
        """
        rows = [(Text(check.status, _COLOURS[check.status]), check.key, check.message) for check in self.found]
        Console().print(table("preflight", ("", "key", "finding"), rows))
        counts = Counter(check.status for check in self.found)
        outcome = f"{counts['failure']} findings would stop the run" if self.failed else "nothing would stop the run"
        print(f"{outcome}, {counts['warning']} warnings")
        if output:
            write_json(Path(output), {"failed": self.failed, "checks": [asdict(check) for check in self.found]})
        if self.failed:
            raise SystemExit(1)


def _unexpected(error: Exception) -> str:
    """Return the words for an unforeseen exception, with the place in this project that led to it."""
    frames = traceback.extract_tb(error.__traceback__)
    # why: the last line in this project, since one inside a library says little to a user
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PROJECT)] or frames
    place = f"{Path(ours[-1].filename).name}, line {ours[-1].lineno}"
    return f"an unexpected {type(error).__name__} in {place}: {first_line(error)}; the run would end with it"
