"""A verb that another verb runs in a process of its own, with its output on screen and in a log."""

import contextlib
import ctypes
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from acereason.common.errors import UserError
from acereason.processes import marks, signals

_RUN = Path(__file__).parents[2] / "run.py"
_PR_SET_PDEATHSIG = 1


def run_step(name: str, arguments: list[str], log: Path) -> None:
    """Run `python run.py ARGUMENTS` to its end, and pass signals on to it.

    Args:
        name: what errors call it.
        arguments: the command line after `python run.py`.
        log: file to which its output is added.

    Raises:
        UserError: it failed, or ended before it said that it had finished; names the log.
        Interrupted: a signal ended it.
    """
    finished = log.with_name(f".{log.stem}.finished")
    finished.unlink(missing_ok=True)
    with log.open("ab") as file:
        status = _run_logged([sys.executable, str(_RUN), *arguments], file, marks.environment(finished))
    # why: status 0 alone doesn't say that the verb has finished: a library may end the process with it
    if status or not finished.exists():
        raise _unfinished(name, status, log)
    finished.unlink()


def _unfinished(name: str, status: int, log: Path) -> BaseException:
    """Return the exception that says why a step isn't finished."""
    ended_by = status - 128 if status > 128 else -status
    if number := signals.received() or (ended_by if ended_by in signals.SIGNALS else 0):
        interrupted = signals.Interrupted(number)
        interrupted.kept = f"step {name} ended with status {status}, its log is {log}"
        return interrupted
    how = f"failed with status {status}" if status else "ended with status 0 before it had finished"
    return UserError(f"step {name} {how}; its log is {log}")


def _run_logged(command: list[str], log: BinaryIO, environment: dict[str, str]) -> int:
    """Run a command with its output on screen and in the log, pass signals on to it, and return its exit status."""
    # why: with a terminal of its own the command shows progress bars, as it would without us
    read, write = _terminal() if sys.stdout.isatty() else os.pipe()
    process: subprocess.Popen | None = None

    def send(number: int) -> None:
        if process is not None:
            process.send_signal(number)

    with signals.forwarded(send), open(read, "rb", buffering=0) as output:
        process = subprocess.Popen(
            command, stdout=write, stderr=write, env={**os.environ, **environment}, preexec_fn=_ends_with_parent()
        )
        # why: as long as this process has the other end open, reading never comes to an end
        os.close(write)
        # why: a signal that came while the command was started has not been passed on
        if number := signals.received():
            send(number)
        # why: a terminal that nobody writes to any more answers with an error, not with an end of file
        with contextlib.suppress(OSError):
            while data := output.read(65536):
                log.write(data)
                log.flush()
                os.write(1, data)
        return process.wait()


# why: loaded before a process forks, which may hold any lock of the loader's
_LIBC = ctypes.CDLL(None)


def _ends_with_parent() -> Callable[[], None]:
    """Return a function that lets the kernel send SIGTERM to a child when this process has ended, even by SIGKILL."""
    parent = os.getpid()

    def end_with_parent() -> None:
        # why: it would go on in a folder that the next call wants
        if sys.platform == "linux":
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        # why: a parent that ended before the call would never be noticed
        if os.getppid() != parent:
            os._exit(1)

    return end_with_parent


def _terminal() -> tuple[int, int]:
    """Open a pseudo-terminal of the size of this process's, and return both ends."""
    read, write = pty.openpty()
    termios.tcsetwinsize(write, termios.tcgetwinsize(1))
    return read, write
