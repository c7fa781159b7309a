"""Compress large tests until they are judged: a rank's memory must not fill with texts that only verifier processes
read."""

import pickle
import zlib
from dataclasses import replace

from acereason.common.types import CompressedTests, Problem, Tests

_SMALL = 2**14
"""Bytes. Smaller tests stay as they are."""


def compress_large(tests: Tests) -> Tests | CompressedTests:
    """Return the tests, compressed where they are large."""
    data = pickle.dumps(tests)
    if len(data) < _SMALL:
        return tests
    # why: a deadline follows from the number of tests, which the rank must know without unpacking them
    outline = replace(tests, inputs=[None] * len(tests.inputs), outputs=[], setup="")
    return CompressedTests(zlib.compress(data, 1), outline)


def tests_of(problem: Problem) -> Tests:
    """Return the tests of a code problem, unpacked. Raises ValueError where it has none."""
    if problem.tests is None:
        raise ValueError(f"{problem.id}: a code problem needs tests")
    if isinstance(problem.tests, CompressedTests):
        # why: unpickling is safe here, since `compress_large` made these bytes
        return pickle.loads(zlib.decompress(problem.tests.data))
    return problem.tests


def outline_of(problem: Problem) -> Tests:
    """Return the tests without their large fields: their kind and their number remain."""
    return problem.tests.outline if isinstance(problem.tests, CompressedTests) else tests_of(problem)
