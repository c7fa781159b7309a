"""Start a sandbox's zygote and hand it jobs: the trainer's side of the sandbox."""

import contextlib
import json
import logging
import os
import pwd
import socket
import subprocess
import sys
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from acereason.sandbox.clock import family
from acereason.sandbox.imports import Imports
from acereason.sandbox.job import GRACE_SECONDS, Job, collect, receive
from acereason.sandbox.probe import check_isolation
from acereason.sandbox.settings import LAYERS, Isolation, Layer, Limits, Mechanism, Run, SandboxError

log = logging.getLogger(__name__)

_HERE = Path(__file__).resolve().parent
# why: without the package's own file, which imports the trainer's side
_BOOT = f"""
import sys, types
sys.path.append({str(_HERE.parents[1])!r})
package = sys.modules["acereason.sandbox"] = types.ModuleType("acereason.sandbox")
package.__path__ = [{str(_HERE)!r}]
from acereason.sandbox.zygote import main
main()
"""
_UIDS = range(64_000, 65_000)
_START_SECONDS = 200.0


class Sandbox:
    """One slot in which untrusted programs run, one after the other. Only one thread at a time may use it.

    Raises:
        SandboxError: the sandbox can't start, or a layer named in `required` is missing.
    """

    def __init__(
        self,
        limits: Limits = Limits(),  # noqa: B008  frozen
        required: Collection[Layer] = (),
        imports: Imports = Imports(),  # noqa: B008  frozen
        wanted: Collection[Mechanism] = get_args(Mechanism),
        whole: bool = True,
    ) -> None:
        """
        Args:
            limits: the limits of every run.
            required: layers whose absence is an error.
            imports: packages to load besides the standard library, and the files that may be read for them.
            wanted: mechanisms to use where the machine offers them.
            whole: whether to load all of `prelude.py`; else only `script` and `call` run here, and programs of which
                `prelude.is_enough` holds.
        """
        self.limits = limits
        self._uid_lock: socket.socket | None = None
        uid = None
        if os.geteuid() == 0:
            self._uid_lock, uid = _claim_uid()
        # why: SEQPACKET keeps messages apart, and passes descriptors along with them
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        settings = {
            "limits": asdict(limits),
            "uid": uid,
            "wanted": list(wanted),
            "imports": asdict(imports),
            "whole": whole,
        }
        with theirs:
            self._process = _start_zygote(theirs.fileno(), settings)
        self._control.settimeout(_START_SECONDS)
        try:
            self.isolation = self._greet(required)
        except BaseException:
            self.close()
            raise

    def start(self, job: dict[str, Any], stdin: bytes = b"", channel: socket.socket | None = None) -> "Job":
        """Begin a run. `channel` becomes the program's fd 3; without it fd 3 is a pipe whose bytes are `Run.result`.

        Args:
            job: see `program.run` and `examiner.run`.
            stdin: the program's standard input, which it reads from a regular file.
        """
        return Job(self._control, self.limits, job, stdin, channel, self._zygote)

    def run(self, job: dict[str, Any], stdin: bytes = b"") -> Run:
        """Run a job to its end."""
        with self.start(job, stdin) as started:
            collect(started)
            return started.run

    def close(self) -> None:
        """End the zygote and every process that runs in it."""
        # why: the zygote sees the hang-up, kills the program that it runs, and ends by itself
        self._control.close()
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._uid_lock:
            self._uid_lock.close()

    def _greet(self, required: Collection[Layer]) -> Isolation:
        hello = receive(self._control)
        if hello["problem"]:
            raise SandboxError(hello["problem"])
        isolation = Isolation(hello["active"], hello["missing"])
        if lacking := [f"{layer} ({isolation.missing[layer]})" for layer in required if layer in isolation.missing]:
            raise SandboxError(f"this machine has no layer {', '.join(lacking)}")
        namespaces = "pid namespace" in isolation.active["processes"]
        # why: with namespaces the started process only waits for its child, which is the zygote
        self._zygote = family(self._process.pid)[1] if namespaces else self._process.pid
        # why: a layer that the kernel seems to offer may still leak: a program tries each
        check_isolation(self.run, isolation)
        log.info("sandbox: %s", isolation.describe())
        for layer, why in isolation.missing.items():
            log.warning("SANDBOX WITHOUT LAYER %s: it is not assured that %s. %s", layer.upper(), LAYERS[layer], why)
        return isolation


def _start_zygote(control: int, settings: dict[str, Any]) -> subprocess.Popen:
    """Start a bare interpreter, without site packages or the trainer's environment."""
    interpreter = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    options = ["-S", "-s", "-P", "-B", "-X", "utf8"]
    # why: the fixed hash seed makes the order of sets,
    # and with it a program's output, the same in every run
    environment = {
        "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip
    try:
        return subprocess.Popen(
            [interpreter, *options, "-c", _BOOT, str(control), json.dumps(settings)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=environment,
            pass_fds=[control],
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise SandboxError(f"the sandbox's Python can't start: {error}") from error


def _claim_uid() -> tuple[socket.socket, int]:
    """Claim a user id that no other sandbox of this machine uses, for as long as the socket is open."""
    for uid in _UIDS:
        # why: the kernel frees an abstract socket when its owner dies,
        # however that happens; a lock file would stay
        lock = socket.socket(socket.AF_UNIX)
        try:
            # why: an id with an account may own files and processes, which a program could then reach
            pwd.getpwuid(uid)
        except KeyError:
            with contextlib.suppress(OSError):
                lock.bind(f"\0acereason-sandbox-{uid}")
                return lock, uid
        lock.close()
    raise SandboxError(f"every user id from {_UIDS[0]} to {_UIDS[-1]} is taken")
