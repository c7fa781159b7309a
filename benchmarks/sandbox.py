"""What the sandbox costs, beside `python file.py` with a timeout on the same machine.

    python benchmarks/sandbox.py [--workers 2] [--programs 1000] [--seconds 1]

First trivial programs (read a number, print it doubled) on one worker and on all; then programs of which every 20th
loops forever, against the time that deadlines and workers allow: (looping programs x seconds + the others at the measured
rate) / workers, and 20 % on top.
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

from acereason.rewards.code import CodeSettings, verify
from acereason.types import Tests

TRIVIAL, ENDLESS = "print(int(input()) * 2)", "while True: pass"
_TESTS = Tests("stdin", ["21\n"], ["42\n"])


def sandboxed(program: str, seconds: float) -> bool:
    """Through `verify`, in this process's sandbox."""
    verdict = verify(f"```python\n{program}\n```", _TESTS, CodeSettings(seconds=seconds))
    assert verdict.status != "error", verdict.detail
    return verdict.status == "correct"


def plain(program: str, seconds: float) -> bool:
    """As `python file.py < input` with a timeout."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "solution.py")
        path.write_text(program)
        try:
            done = subprocess.run([sys.executable, path], input="21\n", capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
    return done.stdout.strip() == "42"


Judge = Callable[[str, float], bool]


def timed(judge: Judge, programs: list[str], seconds: float, workers: int) -> float:
    """Seconds for all programs; the workers are warm."""
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(judge, [TRIVIAL] * 20 * workers, [9.0] * 20 * workers))
        started = time.perf_counter()
        passed = sum(pool.map(judge, programs, [seconds] * len(programs)))
        elapsed = time.perf_counter() - started
    assert passed == programs.count(TRIVIAL), f"{passed} of {programs.count(TRIVIAL)} passed"
    return elapsed


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=1.0)
    arguments = parser.parse_args()
    trivial = [TRIVIAL] * arguments.programs
    mixed = [ENDLESS if index % 20 == 0 else TRIVIAL for index in range(arguments.programs)]
    print(f"{'':28}{'1 worker /s':>14}{'workers /s':>14}{'mixed s':>10}{'allowed s':>10}{'+20 %':>8}")
    for name, judge in (("sandbox", sandboxed), ("python file.py, timeout", plain)):
        one = len(trivial) / timed(judge, trivial, 9.0, 1)
        rate = len(trivial) / timed(judge, trivial, 9.0, arguments.workers)
        elapsed = timed(judge, mixed, arguments.seconds, arguments.workers)
        allowed = mixed.count(ENDLESS) * arguments.seconds / arguments.workers + mixed.count(TRIVIAL) / rate
        within = "met" if elapsed <= 1.2 * allowed else "MISSED"
        print(f"{name:28}{one:14.0f}{rate:14.0f}{elapsed:10.1f}{allowed:10.1f}{within:>8}")


if __name__ == "__main__":
    main()
