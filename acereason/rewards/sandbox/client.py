"""The trainer's side of the sandbox: it starts the zygote and hands it jobs."""

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

from acereason.rewards.clock import family
from acereason.rewards.imports import Imports
from acereason.rewards.sandbox.job import GRACE_SECONDS, Job, collect, receive
from acereason.rewards.sandbox.probe import check_isolation
from acereason.rewards.sandbox.settings import LAYERS, Isolation, Layer, Limits, Mechanism, Run, SandboxError

log = logging.getLogger(__name__)

_ROOT = str(Path(__file__).resolve().parents[3])
_BOOT = f"import sys; sys.path.append({_ROOT!r}); from acereason.rewards.sandbox.zygote import main; main()"
_UIDS = range(64_000, 65_000)
_START_SECONDS = 200.0


class Sandbox:
    """One slot in which untrusted programs run, one after the other. Not for several threads at once.

    Raises:
        SandboxError: it can't start, or a layer named in `required` is missing.
    """

    def __init__(
        self,
        limits: Limits = Limits(),  # noqa: B008  frozen
        required: Collection[Layer] = (),
        imports: Imports = Imports(),  # noqa: B008  frozen
        wanted: Collection[Mechanism] = get_args(Mechanism),
    ) -> None:
        """
        Args:
            limits: of every run.
            required: layers whose absence is an error.
            imports: packages to load besides the standard library, and what may be read for them.
            wanted: mechanisms to use where the machine offers them.
        """
        self.limits = limits
        self._uid_lock: socket.socket | None = None
        uid = None
        if os.geteuid() == 0:
            self._uid_lock, uid = _claim_uid()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        settings = {"limits": asdict(limits), "uid": uid, "wanted": list(wanted), "imports": asdict(imports)}
        with theirs:
            self._process = _start_zygote(theirs.fileno(), settings)
        self._control.settimeout(_START_SECONDS)
        try:
            self.isolation = self._greet(required)
        except BaseException:
            self.close()
            raise

    def start(self, job: dict[str, Any], stdin: bytes = b"", channel: socket.socket | None = None) -> "Job":
        """Begin a run. `channel` becomes the program's fd 3; without it fd 3 is the pipe whose bytes are `Run.result`.

        Args:
            job: see `program.run` and `examiner.run`.
            stdin: what the program reads, from a regular file.
        """
        return Job(self._control, self.limits, job, stdin, channel, self._zygote)

    def run(self, job: dict[str, Any], stdin: bytes = b"") -> Run:
        """A whole run."""
        with self.start(job, stdin) as started:
            collect(started)
            return started.run

    def close(self) -> None:
        """End the zygote and whatever runs in it."""
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
        self._zygote = family(self._process.pid)[1] if namespaces else self._process.pid
        check_isolation(self.run, isolation)
        log.info("sandbox: %s", isolation.describe())
        for layer, why in isolation.missing.items():
            log.warning("SANDBOX WITHOUT LAYER %s: not assured is that %s. %s", layer.upper(), LAYERS[layer], why)
        return isolation


def _start_zygote(control: int, settings: dict[str, Any]) -> subprocess.Popen:
    """A bare interpreter: no site packages, no environment of ours, a fixed hash seed so that runs repeat exactly."""
    interpreter = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    options = ["-S", "-s", "-P", "-B", "-X", "utf8"]
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
    """A user id that no other sandbox of this machine uses, for as long as the socket is open."""
    for uid in _UIDS:
        lock = socket.socket(socket.AF_UNIX)
        try:
            pwd.getpwuid(uid)
        except KeyError:
            with contextlib.suppress(OSError):
                lock.bind(f"\0acereason-sandbox-{uid}")
                return lock, uid
        lock.close()
    raise SandboxError(f"every user id from {_UIDS[0]} to {_UIDS[-1]} is taken")
