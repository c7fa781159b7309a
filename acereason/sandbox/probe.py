"""Test a sandbox at its start, by a program that tries everything that its layers should prevent."""

import json
import os
import socket
from collections.abc import Callable
from typing import Any

from acereason.sandbox.settings import Isolation, Run, SandboxError

_PROGRAM = """
import ctypes, json, os, socket

def allowed(action):
    try:
        action()
    except OSError:
        return False
    return True

def write_outside():
    os.mkdir(f"/var/tmp/acereason-probe-{os.getpid()}")
    os.rmdir(f"/var/tmp/acereason-probe-{os.getpid()}")

libc = ctypes.CDLL(None, use_errno=True)
print(json.dumps({
    "files": [allowed(lambda: open("/etc/passwd")), allowed(lambda: os.listdir("/tmp")),
              allowed(write_outside)],
    "network": [allowed(lambda: socket.create_connection(("127.0.0.1", PORT), 1))],
    "syscalls": [libc.ptrace(0, 0, 0, 0) == 0, libc.personality(-1) != -1],
    "user": [os.getuid() == OWNER, os.getgid() == OWNER],
    "limits": [resource.getrlimit(kind)[1] < 0 for kind in (resource.RLIMIT_AS, resource.RLIMIT_NPROC)],
}))
"""


def check_isolation(run: Callable[[dict[str, Any]], Run], isolation: Isolation) -> None:
    """Run the probe in a sandbox.

    Raises:
        SandboxError: the probe didn't run, or could do something that an active layer should prevent.
    """
    # why: a port that answers: a connection can then only fail because of the sandbox
    with socket.create_server(("127.0.0.1", 0)) as listener:
        constants = f"import resource\nPORT, OWNER = {listener.getsockname()[1]}, {os.getuid()}\n"
        found = run({"mode": "script", "program": constants + _PROGRAM})
    if found.exit_code != 0:
        raise SandboxError(f"the self-test did not run: {found.failure}, exit code {found.exit_code}: {found.stderr}")
    holes = [layer for layer, allowed in json.loads(found.stdout).items() if any(allowed)]
    if leaking := [layer for layer in holes if layer in isolation.active]:
        raise SandboxError(f"the self-test got through {', '.join(leaking)}: {isolation.describe()}")
