"""Judge a program by test code that runs in a sandbox of its own, out of the program's reach."""

import json
import socket
from dataclasses import dataclass
from typing import Any

from acereason.sandbox.client import Sandbox
from acereason.sandbox.job import collect
from acereason.sandbox.settings import Outcome, Run


@dataclass
class TestOutcome:
    """The outcome of one test."""

    outcome: Outcome
    note: str = ""
    seconds: float = 0.0
    """Processor time that the program took."""


def examine(
    sandbox: Sandbox, examiner: Sandbox, program: str, tests: str, setup: str = "", pytest: bool = False
) -> TestOutcome:
    """Run test code in one sandbox against a program in another one.

    Args:
        sandbox: where the program runs.
        examiner: where the test code runs; it needs the packages that tests import (`Imports.all`).
        program: the program's source.
        tests: the test code, which uses the program's names or imports them from `solution`.
        setup: code that both sides run before.
        pytest: whether the tests are a module for pytest; else they are a script.

    Raises:
        SandboxError: a sandbox failed, which says nothing about the program.
    """
    theirs, ours = socket.socketpair()
    answers = {"mode": "serve", "program": program, "setup": setup}
    questions = {"mode": "examine", "tests": tests, "setup": setup, "pytest": pytest}
    with sandbox.start(answers, channel=theirs) as answering, examiner.start(questions, channel=ours) as asking:
        # why: while this process holds copies of the two ends, neither side sees the other hang up
        theirs.close()
        ours.close()
        # why: the examiner's verdict ends the test, whatever threads or children the program still has
        collect(answering, asking, leader=asking)
    return _examined(answering.run, asking.run)


def _examined(answering: Run, asking: Run) -> TestOutcome:
    report: dict[str, Any] = json.loads(asking.stdout) if asking.exit_code == 0 else {}
    outcome: Outcome = report.get("outcome", asking.failure or "runtime error")
    note = report.get("note") or asking.stderr
    # why: the examiner only saw that no answer came; the program's own end (time, memory) tells more
    if outcome not in ("passed", "error") and answering.failure and not answering.stopped:
        return TestOutcome(answering.failure, answering.stderr or note, answering.cpu_seconds)
    return TestOutcome(outcome, note, answering.cpu_seconds)
