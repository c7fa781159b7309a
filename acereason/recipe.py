"""`recipe`: several runs in order, each its own process; Figure 2 of the paper as one file."""

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

from acereason import marks, signals
from acereason.errors import UserError
from acereason.files import write_json
from acereason.names import check_names

_RUN = Path(__file__).parent.parent / "run.py"


@dataclass
class Step:
    """One run of the recipe."""

    name: str
    """Names its log and its mark."""
    verb: str
    """A verb of run.py."""
    config: str | None = None
    """Its YAML file; null for a verb that needs none."""
    overrides: list[str] = field(default_factory=list)
    """Further command-line arguments, such as `--model.group_size=4` or the folder of a run."""

    def arguments(self) -> list[str]:
        """What follows `python run.py`."""
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
        if json.loads(mark.read_text()) != asdict(step):
            raise UserError(f"steps.{step.name}: changed since it finished; delete {mark} to run it again")
        print(f"== step {step.name} ({number}): finished before, skipped", flush=True)
        return
    resumes = step.verb == "fit" and started.exists() and json.loads(started.read_text()) == asdict(step)
    arguments = step.arguments() + (["--ckpt_path", "auto"] if resumes else [])
    print(f"== step {step.name} ({number}): run.py {shlex.join(arguments)}", flush=True)
    write_json(started, asdict(step))
    finished = folder / f".{step.name}.finished"
    finished.unlink(missing_ok=True)
    with log.open("ab") as file:
        status = _run_logged([sys.executable, str(_RUN), *arguments], file, marks.environment(finished))
    if status or not finished.exists():
        raise _unfinished(step, status, log)
    finished.unlink()
    started.replace(mark)
    if received := signals.received():
        raise signals.Interrupted(received)


def _unfinished(step: Step, status: int, log: Path) -> BaseException:
    """Why a step isn't finished. Status 0 alone doesn't say that it is."""
    ended_by = status - 128 if status > 128 else -status
    if number := signals.received() or (ended_by if ended_by in signals.SIGNALS else 0):
        interrupted = signals.Interrupted(number)
        interrupted.kept = f"step {step.name} ended with status {status}, its log is {log}"
        return interrupted
    how = f"failed with status {status}" if status else "ended with status 0 before it had finished"
    return UserError(f"step {step.name} {how}; its log is {log}")


def _run_logged(command: list[str], log: BinaryIO, environment: dict[str, str]) -> int:
    """Run a command, its output on screen and in the log. On a terminal it is given one too, so that progress bars
    work. Signals are passed on to it."""
    read, write = _terminal() if sys.stdout.isatty() else os.pipe()
    process: subprocess.Popen | None = None

    def send(number: int) -> None:
        if process is not None:
            process.send_signal(number)

    with signals.forwarded(send), open(read, "rb", buffering=0) as output:
        process = subprocess.Popen(command, stdout=write, stderr=write, env={**os.environ, **environment})
        os.close(write)
        if number := signals.received():  # while it was started
            send(number)
        with contextlib.suppress(OSError):  # which is how a terminal says that nobody writes to it any more
            while data := output.read(65536):
                log.write(data)
                log.flush()
                os.write(1, data)
        return process.wait()


def _terminal() -> tuple[int, int]:
    """Both ends of a terminal as large as this process's."""
    read, write = pty.openpty()
    termios.tcsetwinsize(write, termios.tcgetwinsize(1))
    return read, write
