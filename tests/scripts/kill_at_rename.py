"""python tests/scripts/kill_at_rename.py PATTERN VERB ...: run.py, killed before it renames a path that matches.

The file is first cut to half its length: a write that the kill interrupted.
"""

import os
import signal
import sys
from fnmatch import fnmatch
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

PATTERN = sys.argv[1]


def die(event: str, arguments: tuple) -> None:
    """The audit hook."""
    if event == "os.rename" and fnmatch(str(arguments[0]), PATTERN):
        if os.path.isfile(arguments[0]):
            os.truncate(arguments[0], os.path.getsize(arguments[0]) // 2)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    import run

    sys.addaudithook(die)
    run.main(sys.argv[2:])
