"""Run one test of a program in the program's process, and judge the answer outside that process."""

import json
import secrets
import socket
from dataclasses import dataclass
from typing import Any

from acereason.common.types import Tests
from acereason.rewards.code.asserts import turn
from acereason.rewards.code.outputs import same_text, same_value
from acereason.rewards.code.sandboxes import Sandboxes
from acereason.rewards.code.settings import Comparator
from acereason.sandbox import Outcome, Run, collect, wire

_ANSWER_BYTES = 2**18
"""Bytes that a returned value may have beyond 16 times the expected one; a longer one can't be equal."""


@dataclass
class TestOutcome:
    """The outcome of one test."""

    outcome: Outcome
    note: str = ""
    seconds: float = 0.0
    """Processor time that the program took."""


def run_test(used: Sandboxes, program: str, tests: Tests, index: int, comparator: Comparator) -> TestOutcome:
    """Run one test and judge the program's answer.

    Raises:
        SandboxError: the sandbox failed, which says nothing about the program.
    """
    if tests.kind == "stdin":
        return _run_on_text(used, program, tests, index, comparator)
    if tests.kind == "call":
        return _run_call(used, program, tests, index, comparator)
    return _run_assertion(used, program, tests, index)


def run_test_inside(used: Sandboxes, program: str, tests: Tests, index: int) -> TestOutcome:
    """Run a test that works only in the program's own process, where the program may forge the outcome."""
    # why: a program that exits with 0 before the tests end
    # must not pass: only after them is the nonce printed
    nonce = secrets.token_hex(16)
    job = {"mode": "inside", "program": program, "setup": tests.setup, "tests": tests.inputs[index]}
    # why: such a program runs in the examiner's sandbox, which has the packages that tests import
    run = used.examiner.run({**job, "pytest": tests.pytest, "last": f"\n{nonce}"})
    passed = run.failure is None and run.exit_code == 0 and run.stdout.rstrip().endswith(nonce.encode())
    return _outcome_of(run, passed)


def _run_on_text(used: Sandboxes, program: str, tests: Tests, index: int, comparator: Comparator) -> TestOutcome:
    run = used.program.run({"mode": "script", "program": program}, tests.inputs[index].encode())
    # why: LiveCodeBench's grader, which the other comparator follows, ignores exit codes
    if comparator == "strict" and not run.failure and run.exit_code:
        return TestOutcome("runtime error", f"exit code {run.exit_code}", run.cpu_seconds)
    try:
        text = run.stdout.decode()
    except UnicodeDecodeError:
        return TestOutcome(run.failure or "wrong", "the output is no UTF-8", run.cpu_seconds)
    return _outcome_of(run, not run.failure and same_text(comparator, tests.outputs[index], text), text)


def _run_call(used: Sandboxes, program: str, tests: Tests, index: int, comparator: Comparator) -> TestOutcome:
    arguments = wire.encode(tests.inputs[index])
    job = {"mode": "call", "program": program, "function": tests.function, "arguments": arguments}
    run = used.program.run(job)
    expected = tests.outputs[index]
    # why: APPS and TACO put each value into a list of its own; the bare value is right, too
    accepted = [expected, expected[0]] if tests.wrapped else [expected]
    try:
        value = _value(run, wire.dumps(expected))
    except ValueError as error:
        return TestOutcome(run.failure or "runtime error", run.stderr or str(error), run.cpu_seconds)
    return _outcome_of(run, any(same_value(comparator, item, value) for item in accepted), repr(value)[:500])


def _run_assertion(used: Sandboxes, program: str, tests: Tests, index: int) -> TestOutcome:
    source = tests.inputs[index]
    turned = None if tests.pytest else turn(source)
    if turned is None:
        return _examine(used, program, tests, source)
    question = {"function": turned.function, "expression": turned.expression}
    job = {"mode": "call", "program": program, "setup": tests.setup, **question}
    run = used.program.run(job)
    try:
        value = _value(run, source)
    except ValueError as error:
        return TestOutcome(run.failure or "runtime error", run.stderr or str(error), run.cpu_seconds)
    try:
        holds = turned.holds(value)
    except TypeError as error:
        # why: a value that can't be ordered against the
        # constant is a wrong value, not a failure of the test
        return TestOutcome("wrong", f"{error} at {source.strip()}", run.cpu_seconds)
    return _outcome_of(run, holds, f"{value!r:.500} at {source.strip()}")


def _examine(used: Sandboxes, program: str, tests: Tests, source: str) -> TestOutcome:
    theirs, ours = socket.socketpair()
    answers = {"mode": "serve", "program": program, "setup": tests.setup}
    questions = {"mode": "examine", "tests": source, "setup": tests.setup, "pytest": tests.pytest}
    with (
        used.program.start(answers, channel=theirs) as answering,
        used.examiner.start(questions, channel=ours) as asking,
    ):
        # why: while this process holds copies of the two ends, neither side sees the other hang up
        theirs.close()
        ours.close()
        # why: the examiner's verdict ends the test, whatever threads or children the program still has
        collect(answering, asking, leader=asking)
    return _examiner_says(answering.run, asking.run)


def _examiner_says(answering: Run, asking: Run) -> TestOutcome:
    told: dict[str, Any] = json.loads(asking.stdout) if asking.exit_code == 0 else {}
    outcome: Outcome = told.get("outcome", asking.failure or "runtime error")
    note = told.get("note") or asking.stderr
    if outcome in ("passed", "error"):
        return TestOutcome(outcome, note, answering.cpu_seconds)
    # why: the examiner only saw that no answer came; the program's own end (time, memory) tells more
    if answering.failure and not answering.stopped:
        return TestOutcome(answering.failure, answering.stderr or note, answering.cpu_seconds)
    return TestOutcome(outcome, note, answering.cpu_seconds)


def _value(run: Run, expected: str) -> Any:
    """Return the value of a call, which must be plain data.

    Raises:
        ValueError: the call returned nothing, or no value that could be the expected one.
    """
    if run.failure or not run.result:
        raise ValueError(f"the call returned nothing: exit code {run.exit_code}")
    if len(run.result) > _ANSWER_BYTES + 16 * len(expected):
        raise ValueError("the returned value is too long to be the expected one")
    try:
        return wire.loads(run.result)
    # why: these bytes come from the program, which may write anything on its channel
    except (TypeError, KeyError, RecursionError, ArithmeticError) as error:
        raise ValueError("the returned value is no plain data") from error


def _outcome_of(run: Run, passed: bool, shown: str = "") -> TestOutcome:
    if run.failure:
        return TestOutcome(run.failure, run.stderr, run.cpu_seconds)
    return TestOutcome("passed" if passed else "wrong", "" if passed else shown[:500], run.cpu_seconds)
