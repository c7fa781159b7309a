"""The `recipe` verb runs several verbs in order, each in its own process; Figure 2 of the paper as one file."""

import contextlib
import json
import os
import pty
import shlex
import subprocess
import sys
import termios
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

from acereason.common.errors import UserError
from acereason.common.files import write_json
from acereason.common.names import check_names
from acereason.processes import marks, signals

_RUN = Path(__file__).parents[2] / "run.py"


@dataclass
class Step:
    """One run of the recipe."""

    name: str
    """Name of the step, and of its log and its mark."""
    verb: str
    """A verb of run.py."""
    config: str | None = None
    """Its YAML file; null for a verb that needs none."""
    overrides: list[str] = field(default_factory=list)
    """Further command-line arguments, such as `--model.group_size=4` or the folder of a run."""

    def arguments(self) -> list[str]:
        """Return the command line after `python run.py`."""
        config = [] if self.config is None else ["--config", self.config]
        return [self.verb, *config, *self.overrides]


def recipe(steps: list[Step], folder: str = "runs/recipe") -> None:
    """Run the steps in order. A finished step is skipped; a failed one stops the recipe; a fit that was interrupted or
    killed, or has failed, resumes from its newest checkpoint. A step is finished when it has said so itself.

    Args:
        steps: the runs.
        folder: where each step leaves NAME.log, and NAME.started.json or, once finished, NAME.done.json.
    """
    if not steps:
        raise UserError("steps: a recipe needs at least one step")
    check_names((step.name for step in steps), "steps")
    if len({step.name for step in steps}) < len(steps):
        raise UserError("steps: two steps have the same name")
    for number, step in enumerate(steps, 1):
        _run_step(step, Path(folder), f"{number} of {len(steps)}")


def _run_step(step: Step, folder: Path, number: str) -> None:
    mark, log = folder / f"{step.name}.done.json", folder / f"{step.name}.log"
    started = folder / f"{step.name}.started.json"
    if mark.exists():
        # why: what is there came of other settings, and the steps after it would build on it
        if json.loads(mark.read_text()) != asdict(step):
            raise UserError(f"steps.{step.name}: changed since it finished; delete {mark} to run it again")
        print(f"== step {step.name} ({number}): finished before, skipped", flush=True)
        return
    # why: a step that has changed since it started would resume a run of other settings, and so starts anew
    resumes = step.verb == "fit" and started.exists() and json.loads(started.read_text()) == asdict(step)
    arguments = step.arguments() + (["--ckpt_path", "auto"] if resumes else [])
    print(f"== step {step.name} ({number}): run.py {shlex.join(arguments)}", flush=True)
    write_json(started, asdict(step))
    finished = folder / f".{step.name}.finished"
    finished.unlink(missing_ok=True)
    with log.open("ab") as file:
        status = _run_logged([sys.executable, str(_RUN), *arguments], file, marks.environment(finished))
    # why: status 0 alone doesn't say that the verb has finished: a library may end the process with it
    if status or not finished.exists():
        raise _unfinished(step, status, log)
    finished.unlink()
    started.replace(mark)
    if received := signals.received():
        raise signals.Interrupted(received)


def _unfinished(step: Step, status: int, log: Path) -> BaseException:
    """Return the exception that says why a step isn't finished."""
    ended_by = status - 128 if status > 128 else -status
    if number := signals.received() or (ended_by if ended_by in signals.SIGNALS else 0):
        interrupted = signals.Interrupted(number)
        interrupted.kept = f"step {step.name} ended with status {status}, its log is {log}"
        return interrupted
    how = f"failed with status {status}" if status else "ended with status 0 before it had finished"
    return UserError(f"step {step.name} {how}; its log is {log}")


def _run_logged(command: list[str], log: BinaryIO, environment: dict[str, str]) -> int:
    """Run a command with its output on screen and in the log, pass signals on to it, and return its exit status."""
    # why: with a terminal of its own the command shows progress bars, as it would without us
    read, write = _terminal() if sys.stdout.isatty() else os.pipe()
    process: subprocess.Popen | None = None

    def send(number: int) -> None:
        if process is not None:
            process.send_signal(number)

    with signals.forwarded(send), open(read, "rb", buffering=0) as output:
        process = subprocess.Popen(command, stdout=write, stderr=write, env={**os.environ, **environment})
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


def _terminal() -> tuple[int, int]:
    """Open a pseudo-terminal of the size of this process's, and return both ends."""
    read, write = pty.openpty()
    termios.tcsetwinsize(write, termios.tcgetwinsize(1))
    return read, write
