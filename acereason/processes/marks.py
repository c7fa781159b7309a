"""A file by which a process that runs a verb tells the process that started it that the verb has really finished."""

import os
import time
from pathlib import Path

from acereason.common.files import write_json

_VARIABLE = "ACEREASON_MARK"


def environment(mark: Path) -> dict[str, str]:
    """Return the environment variables that ask a process to leave the mark."""
    return {_VARIABLE: str(mark.absolute())}


def asked_for() -> Path | None:
    """Return the mark that this process is asked to leave, or None."""
    # why: taken out of the environment, so that a child that runs a verb leaves no mark
    path = os.environ.pop(_VARIABLE, None)
    return Path(path) if path else None


def leave(mark: Path | None) -> None:
    """Write the mark, if one is asked for: the verb has finished."""
    if mark is not None:
        write_json(mark, {"finished": time.strftime("%Y-%m-%d %H:%M:%S%z")})
