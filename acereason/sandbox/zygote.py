"""Run the zygote: a bare Python with everything imported, which forks one confined process for each run of a program.

It is started by `client.Sandbox`, talks with it over one socket (fd in argv), and holds nothing secret: programs can
read what a forked process inherits. A request is a message with the descriptors [job, stdin, stdout, stderr, fd 3]; the
job itself, which names the program, is a file that only the program's process reads.
"""

import _signal
import gc
import importlib
import json
import marshal
import os
import random
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from acereason.sandbox import kernel, prelude, program, reaper
from acereason.sandbox.layers import Layers, interpreter_problem
from acereason.sandbox.settings import RAISED, Limits

_RUN = b"run"
_DESCRIPTORS = 5
# why: as plain numbers, which spare each program's process a search in enumerations
_IGNORED = (int(signal.SIGTERM), int(signal.SIGUSR1))
_LONGEST_PROBLEM = 4096
"""Bytes; a pipe takes as many at once."""


def main() -> None:
    """Run the process; argv holds the socket's descriptor and the settings as JSON."""
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = json.loads(sys.argv[2])
    readable = settings["imports"]["readable"]
    layers = Layers(Limits(**settings["limits"]), settings["uid"], set(settings["wanted"]), readable)
    # why: a new pid namespace begins with the next child, so the child is the zygote and this process waits
    if layers.namespaces and (zygote := os.fork()):
        control.close()
        sys.exit(os.waitpid(zygote, 0)[1] != 0)
    if layers.namespaces:
        # why: only here: the signal comes when the parent's
        # starting thread ends, and the trainer's may end early
        kernel.die_with_parent(signal.SIGKILL)
    _Zygote(control, layers, settings).serve()


class _Zygote:
    def __init__(self, control: socket.socket, layers: Layers, settings: dict[str, Any]) -> None:
        self.control, self.layers = control, layers
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        self.names = prelude.load(settings["whole"])
        self.modes: dict[str, Callable[..., None]] = dict(program.MODES)
        program.prepare()
        if settings["whole"]:
            # why here: what it imports would make every fork cost twice as much
            from acereason.sandbox import tested

            self.modes.update(tested.MODES)
        # why: a package may have threads, or functions that must run after a fork
        self.fork = os.fork if settings["imports"]["names"] else kernel.fork
        sys.path += settings["imports"]["path"]
        for name in settings["imports"]["names"]:
            # why: later its files may be out of reach, and loading it would cost the program's time
            importlib.import_module(name)
        problem = interpreter_problem(layers)
        if problem is None:
            layers.prepare()
        isolation = layers.isolation()
        # why here: in each program's process it would take longer
        os.environ.update(HOME=layers.scratch, TMPDIR=layers.scratch)
        if tempfile := sys.modules.get("tempfile"):
            # why: the zygote has looked up its own temporary folder, and Python remembers it
            tempfile.tempdir = None  # type: ignore[attr-defined]
        # why: a collection in a forked process would write to every object, and the kernel copy every page
        gc.collect()
        gc.freeze()
        self._say({"problem": problem, "active": isolation.active, "missing": isolation.missing})

    def serve(self) -> None:
        """Run each requested job until the other side hangs up."""
        try:
            while True:
                message, fds, _, _ = socket.recv_fds(self.control, 64, _DESCRIPTORS)
                if not message:
                    break
                if message == _RUN:
                    self._say(self._run(fds))
        except ConnectionError:
            # why no error: the other side hung up while a program ran, and nobody waits for its outcome
            pass
        finally:
            self.layers.close()

    def _run(self, fds: list[int]) -> dict[str, Any]:
        self.layers.open_scratch()
        told, tell = os.pipe()
        started = time.monotonic()
        # why here: each program needs numbers of its own, and in its process this would take ten times as long
        random.seed()
        pid = self.fork()
        if pid == 0:
            self._become_program(fds, tell)
        for fd in [*fds, tell]:
            os.close(fd)
        # why: a descriptor: the program's end and a message are then waited for together
        watched = os.pidfd_open(pid)
        stopped_by = self._wait(watched)
        os.close(watched)
        if stopped_by:
            os.kill(pid, signal.SIGKILL)
        _, status, usage = os.wait4(pid, 0)
        seconds = time.monotonic() - started
        reaper.sweep(self.layers.namespaces, self.layers.uid)
        self.layers.clean_scratch()
        problem = os.read(told, _LONGEST_PROBLEM)
        os.close(told)
        return {
            "problem": problem.decode(),
            "status": os.waitstatus_to_exitcode(status),
            "stopped_by": stopped_by,
            "seconds": seconds,
            "cpu": usage.ru_utime + usage.ru_stime,
            "peak": usage.ru_maxrss / 1024,
        }

    def _wait(self, watched: int) -> str:
        """Wait until the program ends (""), or the other side says that its time is up ("time") or stops it."""
        poller = select.poll()
        poller.register(watched, select.POLLIN)
        poller.register(self.control, select.POLLIN)
        ready = [fd for fd, _ in poller.poll()]
        if watched in ready:
            return ""
        # why: an empty message means that the other side is gone, which needs no answer any more
        return self.control.recv(64).decode() or "stop"

    def _become_program(self, fds: list[int], tell: int) -> None:
        """Become the program, in the forked process. Our own failures go to a pipe that is closed before it begins."""
        try:
            os.close(self.control.fileno())
            # why: verifier processes ignore these, and a program would inherit that
            for number in _IGNORED:
                _signal.signal(number, _signal.SIG_DFL)
            job, tell = _take_descriptors(fds, tell)
            self.layers.confine(tell + 1)
        except BaseException as error:
            os.write(tell, f"{type(error).__name__}: {error}".encode()[:_LONGEST_PROBLEM])
            os._exit(RAISED)
        os.close(tell)
        self.modes[job["mode"]](job, self.names)

    def _say(self, message: dict[str, Any]) -> None:
        self.control.send(json.dumps(message).encode())


def _take_descriptors(fds: list[int], tell: int) -> tuple[dict[str, Any], int]:
    """Put stdin, stdout, stderr and the channel on 0 to 3; return the job, and where `tell` is."""
    # why: high numbers first: some of the descriptors may have the numbers 0 to 4 themselves
    request: dict[str, Any] = marshal.loads(os.pread(fds[0], os.fstat(fds[0]).st_size, 0))
    streams = [*fds[1:], tell]
    for target, fd in enumerate(streams):
        os.dup2(fd, 100 + target)
    for target in range(len(streams)):
        os.dup2(100 + target, target)
    return request, len(streams) - 1
