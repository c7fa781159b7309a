"""Tests while they wait for a judge: large ones are kept as bytes, so that a rank's memory does not fill with texts
that only verifier processes read."""

import pickle
import zlib
from dataclasses import replace

from acereason.types import KeptTests, Problem, Tests

_SMALL = 2**14
"""Bytes; smaller tests stay as they are."""


def kept(tests: Tests) -> Tests | KeptTests:
    """The tests, compressed where they are large."""
    data = pickle.dumps(tests)
    if len(data) < _SMALL:
        return tests
    outline = replace(tests, inputs=[None] * len(tests.inputs), outputs=[], setup="")
    return KeptTests(zlib.compress(data, 1), outline)


def tests_of(problem: Problem) -> Tests:
    """The tests of a code problem."""
    if problem.tests is None:
        raise ValueError(f"{problem.id}: a code problem needs tests")
    if isinstance(problem.tests, KeptTests):
        return pickle.loads(zlib.decompress(problem.tests.data))  # this program's own bytes
    return problem.tests


def outline_of(problem: Problem) -> Tests:
    """The tests without what is large in them: their kind and their number."""
    return problem.tests.outline if isinstance(problem.tests, KeptTests) else tests_of(problem)
