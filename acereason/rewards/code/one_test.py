"""Run one test of a program in the program's process, and judge the answer outside that process."""

import secrets
from collections.abc import Callable
from typing import Any

from acereason.common.types import Tests
from acereason.rewards.code.asserts import turn
from acereason.rewards.code.outputs import same_text, same_value
from acereason.rewards.code.sandboxes import Sandboxes
from acereason.rewards.code.settings import Comparator
from acereason.sandbox import Run, TestOutcome, examine, wire

_ANSWER_BYTES = 2**18
"""Bytes that a returned value may have beyond 16 times the expected one; a longer one can't be equal."""


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
    run = used.of(program).run({"mode": "script", "program": program}, tests.inputs[index].encode())
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
    expected = tests.outputs[index]
    # why: APPS and TACO put each value into a list of its own; the bare value is right, too
    accepted = [expected, expected[0]] if tests.wrapped else [expected]
    return _call(used, job, wire.dumps(expected), lambda value: any(same_value(comparator, x, value) for x in accepted))


def _run_assertion(used: Sandboxes, program: str, tests: Tests, index: int) -> TestOutcome:
    source = tests.inputs[index]
    turned = None if tests.pytest else turn(source)
    if turned is None:
        return examine(used.program, used.examiner, program, source, tests.setup, tests.pytest)
    question = {"function": turned.function, "expression": turned.expression}
    job = {"mode": "call", "program": program, "setup": tests.setup, **question}
    return _call(used, job, source, turned.holds, f" at {source.strip()}")


def _call(
    used: Sandboxes, job: dict[str, Any], expected: str, holds: Callable[[Any], bool], where: str = ""
) -> TestOutcome:
    """Judge the value of a call by `holds`; `expected` bounds its length."""
    run = used.of(job["program"], job.get("setup", "")).run(job)
    try:
        value = _value(run, expected)
    except ValueError as error:
        return TestOutcome(run.failure or "runtime error", run.stderr or str(error), run.cpu_seconds)
    try:
        return _outcome_of(run, holds(value), f"{value!r:.500}{where}")
    except TypeError as error:
        # why: a value that can't be ordered against the
        # constant is a wrong value, not a failure of the test
        return TestOutcome("wrong", f"{error}{where}", run.cpu_seconds)


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
