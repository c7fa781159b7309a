"""What the sandbox costs, beside `python file.py` with a timeout on the same machine.

    python -m benchmarks.sandbox [--workers 2] [--programs 1000] [--seconds 1]

First trivial programs (read a number, print it doubled) on one worker and on all; then programs of which every 20th
loops forever, against the time that deadlines and workers allow, and 20 % on top: looping programs x their deadline /
workers + the others at the measured rate. The deadline is what the looping programs used on average: `seconds` of
processor time. Give a core to each worker and to each program, or they wait for each other.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from acereason.common.types import Tests
from acereason.rewards.code.settings import CodeSettings
from acereason.rewards.code.verdict import verify
from benchmarks.report import Row, print_rows

TRIVIAL, ENDLESS = "print(int(input()) * 2)", "while True: pass"
_TESTS = Tests("stdin", ["21\n"], ["42\n"])


def sandboxed(program: str, seconds: float) -> tuple[bool, float]:
    """Through `verify`, in this process's sandbox."""
    verdict = verify(f"```python\n{program}\n```", _TESTS, CodeSettings(seconds=seconds))
    assert verdict.status != "error", verdict.detail
    return verdict.status == "correct", verdict.detail["seconds_each"][0]


def plain(program: str, seconds: float) -> tuple[bool, float]:
    """As `python file.py < input` with a timeout."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "solution.py")
        path.write_text(program)
        try:
            done = subprocess.run([sys.executable, path], input="21\n", capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            return False, seconds
    return done.stdout.strip() == "42", 0.0


Judge = Callable[[str, float], tuple[bool, float]]


def timed(judge: Judge, programs: list[str], seconds: float, workers: int) -> tuple[float, float]:
    """Seconds for all programs, and of the looping ones together; the workers are warm."""
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(judge, [TRIVIAL] * 20 * workers, [9.0] * 20 * workers))
        started = time.perf_counter()
        found = list(pool.map(judge, programs, [seconds] * len(programs)))
        elapsed = time.perf_counter() - started
    assert [passed for passed, _ in found] == [program == TRIVIAL for program in programs]
    return elapsed, sum(taken for passed, taken in found if not passed)


def measure(workers: int | None = None, programs: int = 1000, seconds: float = 1.0) -> list[Row]:
    """All rows; null workers: one a core."""
    workers = workers or os.cpu_count() or 1
    trivial = [TRIVIAL] * programs
    mixed = [ENDLESS if index % 20 == 0 else TRIVIAL for index in range(programs)]
    rows = []
    for name, judge in (("sandbox", sandboxed), ("python file.py", plain)):
        one = programs / timed(judge, trivial, 9.0, 1)[0]
        rate = programs / timed(judge, trivial, 9.0, workers)[0]
        elapsed, looping = timed(judge, mixed, seconds, workers)
        allowed = 1.2 * (looping / workers + mixed.count(TRIVIAL) / rate)
        rows.append(Row(f"{name}: trivial programs, 1 worker", one, "a second"))
        rows.append(Row(f"{name}: trivial programs, {workers} workers", rate, "a second"))
        rows.append(Row(f"{name}: deadline of looping programs", looping / mixed.count(ENDLESS), "s"))
        rows.append(Row(f"{name}: mixed programs", elapsed, "s", at_most=allowed if judge is sandboxed else None))
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=1.0)
    arguments = parser.parse_args()
    print_rows(measure(arguments.workers, arguments.programs, arguments.seconds))


if __name__ == "__main__":
    main()
