"""python tests/scripts/ordinary_user.py UID COMMAND...: a command, run by root as another user (0: as root).

Where Python or the repository lies in a folder that is closed to others, the command sees a view of it that is open.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from acereason.sandbox import kernel
from acereason.sandbox.layers import reachable


def open_to_all(path: str) -> None:
    """Mount this directory, in this process's own view, where every user can reach it."""
    while closed := reachable(path):
        here = os.open(path, os.O_PATH)
        kernel.mount("open", closed, "tmpfs", options="mode=755,size=1m")
        os.makedirs(path, exist_ok=True)
        kernel.mount(f"/proc/self/fd/{here}", path, flags=kernel.MS_BIND | kernel.MS_REC)
        os.close(here)


def main() -> None:
    uid, command = int(sys.argv[1]), sys.argv[2:]
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    for path in (sys.base_prefix, sys.prefix, str(Path(__file__).resolve().parents[2])):
        open_to_all(path)
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    os.environ["HOME"] = "/nonexistent"
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
