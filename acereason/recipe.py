"""`recipe`: several runs in order, each its own process; Figure 2 of the paper as one file."""

import json
import os
import pty
import shlex
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

from acereason.errors import UserError
from acereason.files import write_json

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
    """Run the steps in order. A finished step is skipped; a failed one stops the recipe; a fit that was killed, or has
    failed, resumes from its newest checkpoint.

    Args:
        steps: the runs.
        folder: where each step leaves NAME.log, and NAME.started.json or, once finished, NAME.done.json.
    """
    if not steps:
        raise UserError("steps: a recipe needs at least one step")
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
    with log.open("ab") as file:
        status = _run_logged([sys.executable, str(_RUN), *arguments], file)
    if status:
        raise UserError(f"step {step.name} failed with status {status}; its log is {log}")
    started.replace(mark)


def _run_logged(command: list[str], log: BinaryIO) -> int:
    """Run a command, its output on screen and in the log. On a terminal it is given one too, so that progress bars
    work."""
    if sys.stdout.isatty():
        return os.waitstatus_to_exitcode(pty.spawn(command, lambda terminal: _tee(os.read(terminal, 65536), log)))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            os.write(1, _tee(line, log))
    return process.returncode


def _tee(data: bytes, log: BinaryIO) -> bytes:
    log.write(data)
    log.flush()
    return data
