"""What the sandbox costs, beside `python file.py` with a timeout on the same machine.

    python -m benchmarks.sandbox [--workers 2] [--programs 1000] [--seconds 1] [--against CHECKOUT]

First one-line programs with five tests, by processor time of all processes that take part: verdicts a second and core,
however busy the machine is. With `--against`, nothing but these, beside those of another checkout of this repository:
the two take turns. Then trivial programs (read a number, print it doubled) on one worker and on all; then programs of
which every 20th loops forever, against the time that deadlines and workers allow, and 20 % on top: looping programs x
their deadline / workers + the others at the measured rate. The deadline is what the looping programs used on average:
`seconds` of processor time. Give a core to each worker and to each program, or they wait for each other.
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
from statistics import median

from acereason.common.types import Tests
from acereason.rewards.code.settings import CodeSettings
from acereason.rewards.code.verdict import verify
from acereason.sandbox.clock import family, used
from benchmarks.report import Row, print_rows

TRIVIAL, ENDLESS = "print(int(input()) * 2)", "while True: pass"
_TESTS = Tests("stdin", ["21\n"], ["42\n"])
_NUMBERS, _ROUNDS, _VERDICTS = range(5), 15, 20
ONE_LINE = {
    "stdin": (
        "print(37*int(input())-58)",
        Tests("stdin", [f"{number}\n" for number in _NUMBERS], [f"{37 * number - 58}\n" for number in _NUMBERS]),
    ),
    "calls": (
        "def f(n): return 37*n-58",
        Tests("call", [[number] for number in _NUMBERS], [37 * number - 58 for number in _NUMBERS], function="f"),
    ),
    "assertions": (
        "def f(n): return 37*n-58",
        Tests("check", [f"assert f({number}) == {37 * number - 58}" for number in _NUMBERS], []),
    ),
}
"""Name -> program and tests."""


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


def processor_seconds() -> float:
    """Of this process and of all that it has started."""
    return sum(os.times()[:4]) + used(family(os.getpid())[1:])


def rate(verdict: Callable[[], object], count: int = _VERDICTS) -> float:
    """Verdicts a second of processor time."""
    before = processor_seconds()
    for _ in range(count):
        verdict()
    return count / (processor_seconds() - before)


def one_line(kind: str) -> None:
    """A verdict by the sandbox."""
    program, tests = ONE_LINE[kind]
    verdict = verify(f"```python\n{program}\n```", tests, CodeSettings())
    assert verdict.status == "correct", verdict.detail


def one_line_plain() -> None:
    """A verdict on a program with tests on stdin by `python file.py`, once a test."""
    for _ in _NUMBERS:
        assert plain(TRIVIAL, 9.0)[0]


def one_line_rows() -> list[Row]:
    """The sandbox and `python file.py` take turns."""
    one_line("stdin")
    turns = [(rate(lambda: one_line("stdin")), rate(one_line_plain, 4)) for _ in range(_ROUNDS)]
    ours, theirs = (median(rates) for rates in zip(*turns, strict=True))
    unit, ratio = "a second and core", median(one / other for one, other in turns)
    return [
        Row("sandbox: one-line programs, 5 tests", ours, unit),
        Row("python file.py: one-line programs, 5 tests", theirs, unit),
        Row("one-line programs, sandbox / python file.py", ratio, "ratio", at_least=4),
    ]


def against(checkout: str) -> list[Row]:
    """This checkout and another one take turns."""
    judges = [_judging(Path(__file__).parents[1]), _judging(Path(checkout))]
    rows = []
    for kind in ONE_LINE:
        turns = [[_told(judge, kind) for judge in judges] for _ in range(1 + _ROUNDS)][1:]
        names = ("here", "there")
        rates = zip(names, zip(*turns, strict=True), strict=True)
        rows += [Row(f"one-line programs, 5 {kind}: {name}", median(each), "a second and core") for name, each in rates]
        ratio = median(here / there for here, there in turns)
        rows.append(Row(f"one-line programs, 5 {kind}: here / there", ratio, "ratio"))
    for judge in judges:
        judge.communicate()
    return rows


def _judging(checkout: Path) -> subprocess.Popen[str]:
    """A process that judges by the code of a checkout whenever it is told a kind of tests."""
    # why: this very file, whatever the other checkout has of it
    command = [sys.executable, __file__, "--judge"]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, cwd=checkout, stdin=pipe, stdout=pipe, text=True)


def _told(judge: subprocess.Popen[str], kind: str) -> float:
    assert judge.stdin
    assert judge.stdout
    print(kind, file=judge.stdin, flush=True)
    return float(judge.stdout.readline())


def _judge() -> None:
    """Print the rate for each kind of tests on stdin."""
    for line in sys.stdin:
        kind = line.strip()
        print(rate(lambda kind=kind: one_line(kind)), flush=True)  # type: ignore[misc]


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
    rows = one_line_rows()
    for name, judge in (("sandbox", sandboxed), ("python file.py", plain)):
        one = programs / timed(judge, trivial, 9.0, 1)[0]
        together = programs / timed(judge, trivial, 9.0, workers)[0]
        elapsed, looping = timed(judge, mixed, seconds, workers)
        allowed = 1.2 * (looping / workers + mixed.count(TRIVIAL) / together)
        rows.append(Row(f"{name}: trivial programs, 1 worker", one, "a second"))
        rows.append(Row(f"{name}: trivial programs, {workers} workers", together, "a second"))
        rows.append(Row(f"{name}: deadline of looping programs", looping / mixed.count(ENDLESS), "s"))
        rows.append(Row(f"{name}: mixed programs", elapsed, "s", at_most=allowed if judge is sandboxed else None))
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--against", metavar="CHECKOUT")
    parser.add_argument("--judge", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.judge:
        _judge()
    elif arguments.against:
        print_rows(against(arguments.against))
    else:
        print_rows(measure(arguments.workers, arguments.programs, arguments.seconds))


if __name__ == "__main__":
    main()
