"""The `recipe` verb runs several verbs in order, each in its own process; Figure 2 of the paper as one file."""

import json
import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path

from acereason.common.errors import UserError
from acereason.common.files import write_json
from acereason.common.names import check_names
from acereason.processes import signals
from acereason.processes.steps import run_step


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
    run_step(step.name, arguments, log)
    started.replace(mark)
    if received := signals.received():
        raise signals.Interrupted(received)
