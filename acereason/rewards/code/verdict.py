"""Judge a response to a code problem: run its program against the problem's tests, in a sandbox.

Correct means that every test passed. A program's own failure, of any kind, is wrong; a failure on our side (the
sandbox, tests that can't run) is an error, which a program can't bring about. Expected outputs never enter the
program's process.
"""

import hashlib
from dataclasses import replace
from typing import Any

from acereason.common.types import Problem, Tests, Verdict
from acereason.rewards.code.compressed import outline_of, tests_of
from acereason.rewards.code.one_test import TestOutcome, run_test, run_test_inside
from acereason.rewards.code.program import is_certain, last_code
from acereason.rewards.code.sandboxes import Sandboxes, sandboxes
from acereason.rewards.code.settings import CodeSettings
from acereason.rewards.code.void import is_void
from acereason.rewards.thoughts import final_part, unfinished
from acereason.rewards.verifier import Verifier
from acereason.sandbox import SandboxError

_LONGEST_PROGRAM = 2**16
"""Bytes. Nobody writes a longer program, but a table of answers may be as long."""
# why: a sandbox may take as long to start (sandbox/client.py), and a failed one is started again
_START_SECONDS = 200.0
_OVERHEAD_SECONDS = 0.5
_LONGEST_DECISIVE = 4000
"""Characters: to find a program in more takes longer than a look may."""
_STUBS = 4
"""How many programs that solve nothing (void.py) a problem's tests are tried on."""


class Code(Verifier):
    """Judges responses to code problems by the problem's tests."""

    takes_tests = True

    def look(self, problem: Problem, text: str) -> Verdict | str:
        """Return the part of a response in which its program is looked for."""
        return unfinished(text, self.settings) or final_part(text)

    def decisive(self, text: str) -> str | None:
        """Return the program of a short response, where no word in it names what differs between runs."""
        if len(text) > _LONGEST_DECISIVE:
            return None
        program = last_code(text) or ""
        return program if is_certain(program) else None

    def judge(self, problem: Problem, text: str) -> Verdict:
        """Run the program against the tests."""
        return verify(text, tests_of(problem), self.settings.code)

    def explain(self, problem: Problem, text: str) -> Verdict:
        """Run every test, those after the first failure too."""
        every = replace(self.settings.code, stop_at_first_failure=False)
        return unfinished(text, self.settings) or verify(text, tests_of(problem), every)

    def ground_truth_problem(self, problem: Problem) -> str | None:
        """Return why the tests can't serve, or None."""
        return gold_problem(tests_of(problem), self.settings.code) if problem.tests else "no tests"

    def deadline(self, problem: Problem) -> float:
        """Return the most seconds that the tests may take."""
        return deadline(outline_of(problem), self.settings.code)


def isolation(settings: CodeSettings) -> str:
    """Return the sandbox's active and missing layers in one line. Runs in a worker."""
    return sandboxes(settings).of().isolation.describe()


def verify(text: str, tests: Tests, settings: CodeSettings) -> Verdict:
    """Judge a response by the program in its last fenced block, after `</think>` where there is one.

    Returns:
        The verdict. Its detail: `extracted`, the program or None; `tests`, the outcome of each (passed, wrong, time,
        memory, runtime error, output limit, syntax error, not run, error); `seconds_each`; `notes`, the output or
        message of each failed test; `note` on the first of them.
    """
    program = last_code(text)
    if program is None:
        return Verdict("wrong", {"extracted": None, "path": "no code"})
    detail = {"extracted": program, "path": "tests"}
    if tests.forgeable and settings.forgeable == "refuse":
        return Verdict("error", {**detail, "error": gold_problem(tests, settings)})
    try:
        verdict = _verdict(_run_all(program, tests, settings), detail)
        # why: only code that asserts can pass without testing anything; equal output is right by itself
        judged_by_code = verdict.status == "correct" and tests.kind == "check"
        # why: trying the tests on stubs costs several runs, and only a pass can be undeserved
        problem = _problem_found(tests, settings) if judged_by_code else None
    except SandboxError as error:
        return Verdict("error", {**detail, "error": f"sandbox: {error}"})
    return Verdict("error", {**verdict.detail, "error": problem}) if problem else verdict


def gold_problem(tests: Tests, settings: CodeSettings) -> str | None:
    """Return why these tests can't serve as a ground truth, or None.

    Raises:
        SandboxError: the sandbox failed, which says nothing about the tests.
    """
    if tests.forgeable and settings.forgeable == "refuse":
        return f"forgeable tests: {tests.forgeable}; rewards.code.forgeable: allow takes them"
    if not tests.inputs or tests.kind == "check" and not any(source.strip() for source in tests.inputs):
        return "no tests"
    return _problem_found(tests, settings)


def _problem_found(tests: Tests, settings: CodeSettings) -> str | None:
    """Return the problem that programs which solve nothing show in the tests; each worker looks once a problem."""
    key = hashlib.sha256(repr((tests, settings)).encode(errors="replace")).digest()
    if key not in _found:
        if len(_found) >= _KEPT:
            # why: a worker meets any number of problems, and its memory of them must stay bounded
            _found.clear()
        try:
            void = is_void(tests, lambda program: _passes(program, tests, settings))
            _found[key] = "programs that solve nothing pass these tests" if void else None
        # why: a SandboxError is not remembered: the next response tries again
        except _UnusableTests as error:
            _found[key] = str(error)
    return _found[key]


_found: dict[bytes, str | None] = {}
_KEPT = 10_000


class _UnusableTests(Exception):
    """The tests can't be run on this machine."""


def _passes(program: str, tests: Tests, settings: CodeSettings) -> bool:
    outcomes = _run_all(program, tests, replace(settings, stop_at_first_failure=True))
    if error := next((one for one in outcomes if one.outcome == "error"), None):
        raise _UnusableTests(error.note)
    return all(one.outcome == "passed" for one in outcomes)


def deadline(tests: Tests, settings: CodeSettings) -> float:
    """Return the most seconds that `verify` may take, whatever the program does, a sandbox's restart included."""
    # why: the program and each stub may use up the limit of every test
    return _START_SECONDS + (1 + _STUBS) * len(tests.inputs) * (settings.limits.longest_seconds + _OVERHEAD_SECONDS)


def _run_all(program: str, tests: Tests, settings: CodeSettings) -> list[TestOutcome]:
    """Run the tests and return one outcome for each; tests after the first failure may be left out as `not run`."""
    if "\0" in program or len(program.encode(errors="replace")) > _LONGEST_PROGRAM:
        bad = TestOutcome("syntax error", f"a NUL character, or more than {_LONGEST_PROGRAM} bytes")
        return [bad, *[TestOutcome("not run")] * (len(tests.inputs) - 1)]
    outcomes: list[TestOutcome] = []
    used = sandboxes(settings)
    # why: the sandboxes run one program at a time, and all threads of a process share them
    with used.lock:
        for index in range(len(tests.inputs)):
            outcomes.append(_run_surely(used, program, tests, index, settings))
            if outcomes[-1].outcome != "passed" and settings.stop_at_first_failure:
                break
    return outcomes + [TestOutcome("not run")] * (len(tests.inputs) - len(outcomes))


def _run_surely(used: Sandboxes, program: str, tests: Tests, index: int, settings: CodeSettings) -> TestOutcome:
    """Run one test, and once more in new sandboxes where the first ones failed."""
    # why: a zygote may be killed from outside; its death must not cost the response its verdict
    try:
        return _run_once(used, program, tests, index, settings)
    except SandboxError:
        used.close()
    try:
        return _run_once(used, program, tests, index, settings)
    except SandboxError:
        used.close()
        raise


def _run_once(used: Sandboxes, program: str, tests: Tests, index: int, settings: CodeSettings) -> TestOutcome:
    if tests.forgeable:
        return run_test_inside(used, program, tests, index)
    result = run_test(used, program, tests, index, settings.comparator)
    # why: some tests show only when they run that they can't leave the program's process
    if result.outcome == "error" and settings.forgeable == "allow":
        return run_test_inside(used, program, tests, index)
    return result


def _verdict(outcomes: list[TestOutcome], detail: dict[str, Any]) -> Verdict:
    detail |= {
        "tests": [one.outcome for one in outcomes],
        "seconds_each": [round(one.seconds, 4) for one in outcomes],
        "notes": [one.note for one in outcomes],
    }
    failed = next(((index, one) for index, one in enumerate(outcomes) if one.outcome != "passed"), None)
    if failed is None:
        return Verdict("correct", detail)
    index, one = failed
    detail["note"] = f"test {index}: {one.outcome}: {one.note}"
    if any(one.outcome == "error" for one in outcomes):
        return Verdict("error", {**detail, "error": detail["note"]})
    return Verdict("wrong", detail)
