"""Every hostile program gets its verdict, leaves nothing behind, and the next program is judged right.

`test_isolation.py` runs this file again as an ordinary user and with fewer mechanisms (named in ACEREASON_MECHANISMS).
"""

import os
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from acereason.common import types
from acereason.rewards.code import sandboxes as sandboxes_module
from acereason.rewards.code import verdict as code
from acereason.rewards.code.settings import CodeSettings
from acereason.sandbox import Sandbox
from tests.support.hostile_programs import HOSTILE

SETTINGS = CodeSettings(seconds=1, memory_mib=256, min_isolation=["processes", "files", "network", "syscalls"])
TESTS = types.Tests("stdin", ["3\n"], ["42\n"])
_ZYGOTE = b"acereason.sandbox.zygote"


PRELUDES = [
    "as programs need",
    pytest.param("always small", marks=pytest.mark.slow),
    pytest.param("always whole", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module", autouse=True, params=PRELUDES)
def used_slot(request: pytest.FixtureRequest) -> Iterator[sandboxes_module.Sandboxes]:
    """The slot that all programs share, started."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param != "as programs need":
            patch.setattr(sandboxes_module, "is_enough", lambda source: request.param == "always small")
        if mechanisms := os.environ.get("ACEREASON_MECHANISMS"):
            patch.setattr(sandboxes_module, "Sandbox", partial(Sandbox, wanted=mechanisms.split(",")))
        sandboxes_module._sandboxes.cache_clear()
        slot = sandboxes_module.sandboxes(SETTINGS)
        judged("print(42)")
        judged("import asyncio\nprint(42)")
        yield slot
        slot.close()
        sandboxes_module._sandboxes.cache_clear()


def judged(program: str) -> tuple[str, str]:
    """(status, outcome)"""
    verdict = code.verify(f"```python\n{program}\n```", TESTS, SETTINGS)
    assert verdict.status != "error", verdict.detail
    return verdict.status, verdict.detail["tests"][0]


def uids(slot: sandboxes_module.Sandboxes) -> set[int]:
    """Whom programs run as."""
    users = [user for sandbox in started(slot) for user in sandbox.isolation.active.get("user", [])]
    return {int(user.removeprefix("uid ")) for user in users} or {os.getuid()}


def started(slot: sandboxes_module.Sandboxes) -> list[Sandbox]:
    """The sandboxes where programs run."""
    return [sandbox for sandbox in (slot._small, slot._program) if sandbox]


def processes(slot: sandboxes_module.Sandboxes) -> set[int]:
    """Processes that were forked from a zygote, as far as they run as this slot's user."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            ours = entry.name.isdigit() and entry.stat().st_uid in uids(slot)
            if ours and _ZYGOTE in (entry / "cmdline").read_bytes():
                found.add(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def files(slot: sandboxes_module.Sandboxes) -> set[str]:
    """Files of this slot's user where any user may write, and what lies in the scratch folders."""
    found = set()
    for folder in {tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"}:
        paths = [*Path(folder).iterdir(), *Path(folder).glob("acereason-*/scratch/*")]
        found |= {str(path) for path in paths if owner(path) in uids(slot)}
    return found


def owner(path: Path) -> int | None:
    """Whose file it is; None where somebody else has removed it meanwhile."""
    try:
        return path.lstat().st_uid
    except FileNotFoundError:
        return None


def memory(slot: sandboxes_module.Sandboxes) -> int:
    """Resident memory of the zygotes and their launchers, MiB."""
    launchers = [sandbox._process.pid for sandbox in started(slot)]
    pids = [*launchers, *(child for pid in launchers for child in children(pid))]
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 for pid in pids) // 2**20


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kernel_memory() -> str:
    return Path("/proc/sysvipc/shm").read_text()


@pytest.mark.parametrize(("outcome", "program"), [pytest.param(*row[::2], id=row[1]) for row in HOSTILE])
def test_hostile_program(outcome: str, program: str, used_slot: sandboxes_module.Sandboxes) -> None:
    before = processes(used_slot), files(used_slot), kernel_memory(), os.listdir("/proc/self/fd")
    size = memory(used_slot)
    assert judged(program) == ("correct" if outcome == "passed" else "wrong", outcome)
    assert (processes(used_slot), files(used_slot), kernel_memory(), os.listdir("/proc/self/fd")) == before
    assert memory(used_slot) <= size + 8
    assert judged("print(int(input()) + 39)") == ("correct", "passed")
    assert judged("print(int(input()) + 38)") == ("wrong", "wrong")


def test_the_suite_is_large_enough() -> None:
    assert len({program for _, _, program in HOSTILE}) >= 80
