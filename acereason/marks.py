"""How a process that runs a verb for another tells it that the verb has really finished: a file that it leaves."""

import os
import time
from pathlib import Path

from acereason.files import write_json

_VARIABLE = "ACEREASON_MARK"


def environment(mark: Path) -> dict[str, str]:
    """What a process must find in its environment to leave the mark."""
    return {_VARIABLE: str(mark.absolute())}


def asked_for() -> Path | None:
    """The mark that this process is asked to leave; its children no longer see it."""
    path = os.environ.pop(_VARIABLE, None)
    return Path(path) if path else None


def leave(mark: Path | None) -> None:
    """Say that the verb has finished."""
    if mark is not None:
        write_json(mark, {"finished": time.strftime("%Y-%m-%d %H:%M:%S%z")})
