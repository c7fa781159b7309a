"""The sandbox with the layers of other machines, and as another user."""

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from acereason.sandbox import Limits, Sandbox, SandboxError
from acereason.sandbox.probe import check_isolation
from acereason.sandbox.settings import Isolation, Run
from tests.support.limits import HANG

ROOT = Path(__file__).resolve().parents[4]
AS_ROOT = os.geteuid() == 0
SOMEBODY = 20_000 + os.getpid() % 10_000
MODES = [
    pytest.param(SOMEBODY, "namespaces,landlock,seccomp", marks=pytest.mark.slow, id="somebody, namespaces"),
    pytest.param(SOMEBODY, "landlock,seccomp", marks=pytest.mark.slow, id="somebody, no namespaces"),
    pytest.param(0, "landlock,seccomp", marks=pytest.mark.slow, id="root, no namespaces"),
]
if not AS_ROOT:
    MODES = [(os.geteuid(), "landlock,seccomp")]


@pytest.mark.parametrize(("uid", "mechanisms"), MODES)
def test_hostile_programs_elsewhere(uid: int, mechanisms: str) -> None:
    suite = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--noconftest",
        "tests/acereason/rewards/code/test_hostile.py",
    ]
    switch = [sys.executable, "tests/scripts/ordinary_user.py", str(uid)] if AS_ROOT else []
    environment = {**os.environ, "ACEREASON_MECHANISMS": mechanisms, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*switch, *suite], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]


def test_a_missing_layer_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        sandbox = Sandbox(Limits(seconds=1), wanted=["namespaces", "landlock"])
    sandbox.close()
    assert "syscalls" in sandbox.isolation.missing
    assert "SANDBOX WITHOUT LAYER SYSCALLS" in caplog.text
    assert "no syscalls (no seccomp filter" in sandbox.isolation.describe()


def test_a_missing_layer_that_is_required_is_an_error() -> None:
    with pytest.raises(SandboxError, match="no layer syscalls"):
        Sandbox(required=["files", "syscalls"], wanted=["namespaces", "landlock"])


def test_all_layers_are_named() -> None:
    sandbox = Sandbox()
    sandbox.close()
    assert {"limits", "processes", "files", "network", "syscalls"} <= sandbox.isolation.active.keys()
    assert ("user" in sandbox.isolation.active) == AS_ROOT


def test_the_self_test_finds_a_layer_that_does_not_hold() -> None:
    """The probe, run without any sandbox, must not believe that there is one."""

    def run_here(job: dict[str, str]) -> Run:
        done = subprocess.run([sys.executable, "-c", job["program"]], capture_output=True)
        return Run(exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr.decode())

    with pytest.raises(SandboxError, match="got through files, network, user, limits"):
        check_isolation(run_here, Isolation({"files": ["x"], "network": ["x"], "user": ["x"], "limits": ["x"]}))
    check_isolation(run_here, Isolation({}, {}))


def test_a_dead_zygote_is_an_error() -> None:
    sandbox = Sandbox()
    sandbox._process.kill()
    sandbox._process.wait()
    with pytest.raises(SandboxError):
        sandbox.run({"mode": "script", "program": "print(1)"})
    sandbox.close()


def test_its_end_while_a_program_runs_leaves_no_folder_and_says_nothing() -> None:
    code = (
        "import os, subprocess, time\n"
        "from acereason.sandbox import Sandbox\n"
        "def folders():\n"
        "    find = ['find', '/tmp', '-maxdepth', '1', '-name', 'acereason-*', '-uid', str(os.getuid())]\n"
        "    return len(subprocess.run(find, capture_output=True, text=True).stdout.split())\n"
        "before = folders()\n"
        "sandbox = Sandbox(wanted=['landlock', 'seccomp'])\n"  # with namespaces it needs no folder
        "print(folders() - before)\n"
        "with sandbox.start({'mode': 'script', 'program': 'while True: pass'}):\n"
        "    time.sleep(0.3)\n"
        "    sandbox.close()\n"
        "print(folders() - before)"
    )
    switch = [sys.executable, "tests/scripts/ordinary_user.py", str(SOMEBODY)] if AS_ROOT else []
    command = [*switch, sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["1", "0"], done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_survives_the_owner() -> None:
    """A process that is killed in the middle of a run takes the sandbox and the program along."""
    owner = (
        "from acereason.sandbox import Sandbox\n"
        "sandbox = Sandbox()\n"
        "print(sandbox._process.pid, flush=True)\n"
        "sandbox.run({'mode': 'script', 'program': 'import time; time.sleep(100)'})"
    )
    process = subprocess.Popen([sys.executable, "-c", owner], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    launcher = int(process.stdout.readline())
    time.sleep(0.2)
    session = family(launcher)
    process.kill()
    process.wait()
    deadline = time.monotonic() + HANG
    while any(Path(f"/proc/{pid}").exists() for pid in session) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(session) >= 2
    assert not [pid for pid in session if Path(f"/proc/{pid}").exists()]


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(found for child in children for found in family(int(child)))]
