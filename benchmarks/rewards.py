r"""python -m benchmarks.rewards [ROWS.jsonl]: math verdicts per second on one core, against math-verify in a loop.

Both judge the same pairs in the same process, without a pool: numbers (what most responses end in), and expressions
whose text differs from the ground truth's, so that nothing is decided by text. ROWS.jsonl (`response`, `answer`) adds a
file of your own. Each pair's time is the median of three passes; the last row is the pool's throughput on all pairs.
"""

import json
import logging
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from math_verify import LatexExtractionConfig, parse
from math_verify import verify as math_verify_equal
from sympy.core.cache import clear_cache

from acereason.common.types import Problem
from acereason.rewards.math.normalize import normalize
from acereason.rewards.math.symbolic import read_answer
from acereason.rewards.math.verdict import verify
from acereason.rewards.pool import RewardPool, RewardSettings
from benchmarks.report import Row, print_rows

Pair = tuple[str, str]
_LATEX = [LatexExtractionConfig(boxed_match_priority=0)]
_EXPRESSIONS = [
    *((r"\frac{x}{7}+\frac{2}{7}", r"\frac{x+2}{7}"), (r"(r+5)(r+5)", "(r+5)^2"), (r"\sqrt{12}", r"2\sqrt{3}")),
    *((r"\frac{\sin x}{\cos x}", r"\tan x"), ("2x-y+1=0", "y=2x+1"), (r"(3, \frac{\pi}{2})", r"(3, 0.5\pi)")),
    *((r"x \in [-2, 7]", r"-2 \le x \le 7"), (r"\log_2 8", "3"), (r"\binom{10}{3}", "120"), ("2^{10}", "1023")),
    *((r"\{3, 1, 2\}", r"\{1, 2, 4\}"), ("x^2+2x+1", "(x+1)^2"), (r"\frac{1}{\sqrt{6}}", r"\frac{\sqrt{6}}{6}")),
]


def measure(path: Path | None = None) -> list[Row]:
    """All rows; `path` adds a file."""
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    sets = {"numbers": numbers(500), "expressions": [boxed(*pair) for pair in _EXPRESSIONS]}
    if path:
        sets[path.name] = pairs_of(path)
    rows = [row for name, pairs in sets.items() for row in compare(f"{len(pairs)} {name}", pairs)]
    return [*rows, through_the_pool([pair for pairs in sets.values() for pair in pairs])]


def compare(name: str, pairs: list[Pair]) -> list[Row]:
    """Each verifier's times, and the ratio of verdicts a second."""
    times = {"math-verify": seconds(plain_math_verify, pairs), "acereason": seconds(verify_ours, pairs)}
    rows = []
    for verifier, taken in times.items():
        worst = {
            "median": statistics.median(taken),
            "99 %": statistics.quantiles(taken, n=100)[98],
            "worst": max(taken),
        }
        rows += [Row(f"{name}, {verifier}: {which}", 1000 * value, "ms") for which, value in worst.items()]
        rows.append(Row(f"{name}, {verifier}: verdicts", len(taken) / sum(taken), "a second"))
    ratio = sum(times["math-verify"]) / sum(times["acereason"])
    return [*rows, Row(f"{name}, acereason / math-verify: verdicts a second", ratio, "ratio")]


def verify_ours(response: str, answer: str) -> object:
    """With the defaults."""
    return verify(response, answer)


def seconds(judge: Callable[[str, str], object], pairs: list[Pair]) -> list[float]:
    """Of each pair: the median of three passes over all. Only parsed ground truths are kept, as in training."""
    judge(*pairs[0])
    read_answer.cache_clear()
    return [statistics.median(times) for times in zip(*(one_pass(judge, pairs) for _ in range(3)), strict=True)]


def one_pass(judge: Callable[[str, str], object], pairs: list[Pair]) -> list[float]:
    """Seconds of each verdict."""
    clear_cache()
    normalize.cache_clear()
    times = []
    for pair in pairs:
        started = time.perf_counter()
        judge(*pair)
        times.append(time.perf_counter() - started)
    return times


def plain_math_verify(response: str, answer: str) -> bool:
    """What a reward function around math-verify does: parse both, compare."""
    gold = parse(rf"\boxed{{{answer}}}", _LATEX, parsing_timeout=None)
    found = parse(response.rpartition("</think>")[2], _LATEX, parsing_timeout=None)
    return math_verify_equal(gold, found, timeout_seconds=None)


def through_the_pool(pairs: list[Pair]) -> Row:
    """Throughput of two workers with everything that training adds: submission, deadline, order."""
    pool = RewardPool(RewardSettings(workers=2))
    problems = [(Problem(str(n), "math", "", answer), response) for n, (response, answer) in enumerate(pairs)]
    list(pool.stream(problems[:20]))  # starts the workers
    started = time.perf_counter()
    count = sum(1 for _ in pool.stream(problems * 4))
    rate = count / (time.perf_counter() - started)
    pool.close()
    return Row("all, pool of 2 workers: verdicts", rate, "a second")


def numbers(count: int) -> list[Pair]:
    """Integers, decimals and fractions, right and wrong, in two spellings."""
    draw = random.Random(0)
    pairs = []
    for _ in range(count):
        top, bottom = draw.randint(-5000, 5000), draw.choice([1, 1, 1, 2, 4, 5, 8])
        right = draw.random() < 0.5
        value = top if right else top + 1
        response = draw.choice([rf"\frac{{{value}}}{{{bottom}}}", f"{value / bottom}", f"{value}/{bottom}"])
        pairs.append(boxed(response, rf"\dfrac{{{2 * top}}}{{{2 * bottom}}}" if bottom > 1 else str(top)))
    return pairs


def boxed(response: str, answer: str) -> Pair:
    """A response of some length that ends in a box."""
    return "<think>" + "Let me see. " * 500 + rf"</think> The answer is \boxed{{{response}}}.", answer


def pairs_of(path: Path) -> list[Pair]:
    """Of a file in `score`'s format; leave out what takes math-verify minutes or gigabytes."""
    read = [json.loads(line) for line in path.read_text().splitlines()]
    return [(row["response"], row["answer"]) for row in read]


def main() -> None:
    """Measure and print."""
    print_rows(measure(Path(sys.argv[1]) if len(sys.argv) > 1 else None))


if __name__ == "__main__":
    main()
