r"""python benchmarks/rewards.py [ROWS.jsonl]: math verdicts per second on one core, against math-verify in a loop.

Both judge the same pairs in the same process, without a pool: numbers (what most responses end in), and expressions
whose text differs from the ground truth's, so that nothing is decided by text. ROWS.jsonl (`response`, `answer`) adds a
file of your own. Each pair's time is the median of three passes; the last line is the pool's throughput on all pairs.
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
from rich.console import Console
from rich.table import Table
from sympy.core.cache import clear_cache

from acereason.rewards.answers.normalize import normalize
from acereason.rewards.answers.symbolic import parse_answer
from acereason.rewards.math import verify
from acereason.rewards.pool import RewardPool, RewardSettings
from acereason.types import Problem

Pair = tuple[str, str]
_LATEX = [LatexExtractionConfig(boxed_match_priority=0)]
_EXPRESSIONS = [
    *((r"\frac{x}{7}+\frac{2}{7}", r"\frac{x+2}{7}"), (r"(r+5)(r+5)", "(r+5)^2"), (r"\sqrt{12}", r"2\sqrt{3}")),
    *((r"\frac{\sin x}{\cos x}", r"\tan x"), ("2x-y+1=0", "y=2x+1"), (r"(3, \frac{\pi}{2})", r"(3, 0.5\pi)")),
    *((r"x \in [-2, 7]", r"-2 \le x \le 7"), (r"\log_2 8", "3"), (r"\binom{10}{3}", "120"), ("2^{10}", "1023")),
    *((r"\{3, 1, 2\}", r"\{1, 2, 4\}"), ("x^2+2x+1", "(x+1)^2"), (r"\frac{1}{\sqrt{6}}", r"\frac{\sqrt{6}}{6}")),
]


def main() -> None:
    """Measure and print."""
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    sets = {"numbers": numbers(500), "expressions": [boxed(*pair) for pair in _EXPRESSIONS]}
    if len(sys.argv) > 1:
        sets[Path(sys.argv[1]).name] = rows(Path(sys.argv[1]))
    table = Table("pairs", "by", title="math verdicts on one core", title_justify="left")
    for name in ("median ms", "99 % ms", "worst ms", "per second", "ratio"):
        table.add_column(name, justify="right")
    for name, pairs in sets.items():
        compare(table, f"{name} ({len(pairs)})", pairs)
    Console().print(table)
    through_the_pool([pair for pairs in sets.values() for pair in pairs])


def compare(table: Table, name: str, pairs: list[Pair]) -> None:
    """Add a line for each verifier."""
    baseline = seconds(plain_math_verify, pairs)
    ours = seconds(lambda response, answer: verify(response, answer), pairs)
    for verifier, times in (("math-verify", baseline), ("acereason", ours)):
        cells = [statistics.median(times), statistics.quantiles(times, n=100)[98], max(times)]
        shown = [f"{1000 * value:.3f}" for value in cells]
        table.add_row(name, verifier, *shown, f"{len(times) / sum(times):,.0f}", f"{sum(baseline) / sum(times):.1f}")


def seconds(judge: Callable[[str, str], object], pairs: list[Pair]) -> list[float]:
    """Of each pair: the median of three passes over all. Only parsed ground truths are kept, as in training."""
    judge(*pairs[0])
    parse_answer.cache_clear()
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


def through_the_pool(pairs: list[Pair]) -> None:
    """Throughput of two workers with everything that training adds: submission, deadline, order."""
    pool = RewardPool(RewardSettings(workers=2))
    problems = [(Problem(str(n), "math", "", answer), response) for n, (response, answer) in enumerate(pairs)]
    list(pool.stream(problems[:20]))  # starts the workers
    started = time.perf_counter()
    count = sum(1 for _ in pool.stream(problems * 4))
    print(f"pool of 2 workers: {count / (time.perf_counter() - started):,.0f} verdicts per second")
    pool.close()


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


def rows(path: Path) -> list[Pair]:
    """Of a file in `score`'s format; leave out what takes math-verify minutes or gigabytes."""
    read = [json.loads(line) for line in path.read_text().splitlines()]
    return [(row["response"], row["answer"]) for row in read]


if __name__ == "__main__":
    main()
