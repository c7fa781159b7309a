"""run.py, to which a real signal comes at a chosen moment.

python tests/scripts/signalled.py VERB ... runs one verb; with --serve it imports all once, and forks a process for
each verb that a line on its stdin asks for, whose exit status it prints.

The moment is the JSON object SIGNALLED in the environment: `phase`, and how often it is to be entered before
(`count`); `delay`, seconds from then on; `signal`; `rank`, whose process sends it; `target`: self, parent or group;
`trace`, a file for the phase that the process was in when it was sent. PHASES are told by functions that are called.
"""

import functools
import importlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

PHASES = {
    "setup": ["acereason.data.rl:RLData.setup"],
    "screening": ["callbacks.easy_filter:EasyFilter._screen"],
    "rollout": ["acereason.modules.grpo:GRPOModule.waves"],
    "update": ["acereason.modules.base:QwenModule.accumulate", "acereason.modules.base:QwenModule.update"],
    "sync": ["acereason.modules.rollout:RolloutModule.push_weights"],
    "evaluation": ["acereason.modules.grpo:GRPOModule.evaluate"],
    "export": ["acereason.modules.base:QwenModule.export"],
    "checkpoint": ["callbacks.checkpoints:Checkpoints._save"],
    "test": ["acereason.modules.evaluation:EvaluationModule.complete"],
    "sampling": ["acereason.sampling.predict:collect"],
    "curation": ["acereason.curation.stages:Stages.run"],
    "calibration": ["acereason.modules.grpo:GRPOModule.predict_step"],
}
"""Functions by phase."""


class Sender:
    """Follows the phases, and sends the signal."""

    def __init__(self, plan: dict) -> None:
        self.plan, self.phases, self.seen = plan, [], 0
        of_recipe = sys.argv[1] == "recipe"  # one of its steps sends
        rank = os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or "0"
        self.mine = int(rank) == plan.get("rank") and not of_recipe

    def enter(self, phase: str) -> None:
        self.phases.append(phase)
        if self.mine and phase == self.plan["phase"]:
            self.seen += 1
            if self.seen == self.plan["count"] and not self.plan["delay"]:
                self.send()  # not a moment later, however busy the machine is
            elif self.seen == self.plan["count"]:
                threading.Thread(target=self.send, daemon=True).start()

    def leave(self) -> None:
        self.phases.pop()

    def send(self) -> None:
        time.sleep(self.plan["delay"])
        Path(self.plan["trace"]).write_text(self.phases[-1] if self.phases else "between")
        number = signal.Signals[self.plan["signal"]]
        kill = {"self": (os.kill, os.getpid()), "parent": (os.kill, os.getppid()), "group": (os.killpg, os.getpgrp())}
        send, target = kill[self.plan["target"]]
        send(target, number)

    def follow(self, phase: str, function: object) -> object:
        """The function, followed; a generator in each of its steps, the first of which is counted."""

        @functools.wraps(function)
        def followed(*args: object, **kwargs: object) -> object:
            self.enter(phase)
            try:
                result = function(*args, **kwargs)
                return self.steps(phase, result) if hasattr(result, "__next__") else result
            finally:
                self.leave()

        return followed

    def steps(self, phase: str, generator: object) -> object:
        while True:
            self.phases.append(phase)
            try:
                value = next(generator)
            except StopIteration:
                return
            finally:
                self.leave()
            yield value


def follow_all(sender: Sender) -> None:
    for phase, names in PHASES.items():
        for name in names:
            module, _, path = name.partition(":")
            *owners, last = path.split(".")
            owner = functools.reduce(getattr, owners, importlib.import_module(module))
            setattr(owner, last, sender.follow(phase, getattr(owner, last)))


def serve() -> None:
    """Returns in each forked process, which goes on as one that was started for its verb."""
    for line in sys.stdin:
        order = json.loads(line)
        if not (pid := os.fork()):
            os.setsid()
            log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream in (1, 2):
                os.dup2(log, stream)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            sys.argv[1:] = order["arguments"]
            sys.orig_argv[:] = [sys.executable, *sys.argv]
            os.environ["SIGNALLED"] = json.dumps(order["plan"])
            return
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(json.dumps({"status": status, "session": pid}), flush=True)
    sys.exit()


def main() -> None:
    import callbacks  # noqa: F401
    import run
    from acereason.processes import steps
    from acereason.verbs import lightning_cli  # noqa: F401

    if sys.argv[1:] == ["--serve"]:
        serve()
    steps._RUN = Path(__file__)
    follow_all(Sender(json.loads(os.environ["SIGNALLED"])))
    run.main()


if __name__ == "__main__":
    main()
