"""Run a program for test code: `serve` answers the examiner's questions on fd 3 until it hangs up; `inside` runs test
code in the program's own namespace, for tests that can't leave it."""

import ast
import builtins
import sys
import traceback
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

from acereason.sandbox import examiner, frameworks, serving
from acereason.sandbox.peer import Peer
from acereason.sandbox.program import CHANNEL, load, run, send


def _inside(job: dict[str, Any], names: dict[str, Any]) -> None:
    """Run program and tests together, where the program may forge any outcome."""
    load(job, names)
    solution, module = ModuleType("solution"), ModuleType("tests")
    vars(solution).update(names)
    sys.modules["solution"] = solution
    vars(module).update(names)
    frameworks.run(ast.parse(job["tests"]), module, job["pytest"], _is_the_programs)
    print(job["last"])


def _is_the_programs(error: BaseException) -> bool:
    return any(frame.filename == "solution.py" for frame in traceback.extract_tb(error.__traceback__))


def _serve(job: dict[str, Any], names: dict[str, Any]) -> None:
    before = dict(names)
    also = serving.actions(names, before)
    channel = open(CHANNEL, "rb", closefd=False)  # noqa: SIM115  for as long as this process lives
    peer = Peer(channel, lambda text: send(text + "\n"), guarded=False, also=also)
    also["watch"] = peer.watch
    printed = sys.stdout = serving.Printed()
    peer.printed, sys.stdin = printed.take, serving.Asked(peer)
    builtins.input = lambda text="": peer.ask("input", None, str(text))
    # why: as known before the program, or it would count as a function of the program's
    before["input"] = names["input"] = builtins.input
    classes = load(job, names)
    peer.references.common = lambda name: names.get(name) if name in classes else None
    peer.serve()


MODES: dict[str, Callable[[dict[str, Any], dict[str, Any]], None]] = {
    "serve": partial(run, _serve),
    "inside": partial(run, _inside),
    "examine": examiner.run,
}
"""Name -> function of a job and the prelude, which ends this process."""
