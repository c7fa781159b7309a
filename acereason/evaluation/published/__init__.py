"""This package holds the paper's numbers as data: a CSV file for each table, with its source in the first line."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean

Row = dict[str, str]
"""{column: cell as it is printed}; empty where the paper has nothing."""


def rows(name: str) -> list[Row]:
    """Return the rows of a table: `table1`, `table2`, `table3`, `figure8` or `figure8_entropy`.

    Example:
        >>> rows("table2")[0]["aime24"]
        '70.2'
    """
    lines = (Path(__file__).parent / f"{name}.csv").read_text().splitlines()
    # why: the first line says where in the paper the table stands; the second is the header
    return list(csv.DictReader(lines[1:]))


def table1(model: str) -> dict[str, float]:
    """Return {benchmark: percent} of a model in Table 1."""
    (row,) = (row for row in rows("table1") if row["model"] == model)
    return _percents(row)


EVALPLUS = ("humaneval_plus", "mbpp_plus")
"""Benchmarks whose mean is the table's EvalPlus."""
STAGES = {"math_8k": "stage 1", "math_16k": "stage 2"}
"""{stage of conf/rl/qwen2.5-math-7b.yaml: the paper's word for it}, where the paper has a number after it."""
_WORDS = ("model", "temperature", "overlong", "max_length")
"""Columns that say what a row is of; the others are benchmarks."""


@dataclass(frozen=True)
class Point:
    """What the paper has measured of one model."""

    source: str
    """The table or figure, such as Table 3."""
    line: str
    moment: str
    """Where on its line, such as a stage, a temperature or a length of evaluation; empty in Table 1."""
    percents: Mapping[str, float]
    """By benchmark."""

    def percent(self, benchmarks: Iterable[str]) -> float | None:
        """Return the mean over these benchmarks; None where the paper has no number of one."""
        names = list(benchmarks)
        # why: of HumanEval+ and MBPP+ the paper has only the mean, which is enough for a mean over both
        joined = EVALPLUS if set(EVALPLUS) <= set(names) else ()
        known = [self.percents.get("evalplus" if name in joined else name) for name in names]
        numbers = [percent for percent in known if percent is not None]
        return fmean(numbers) if numbers and len(numbers) == len(known) else None


@cache
def points() -> tuple[Point, ...]:
    """Return Tables 1 to 3 and the table of Figure 8 as points on lines.

    The SFT model begins each of Table 3's three lines, which have stages 1 and 2 of so many steps.

    Example:
        >>> points()[-1].line, points()[-1].moment, points()[-1].percents["aime24"]
        ('stage 2', '1.0', 65.3)
    """
    return (
        *(_point("Table 1", row["model"], "", row) for row in rows("table1")),
        *(_point("Table 2", row["overlong"], row["max_length"], row) for row in rows("table2")),
        *_table3(),
        *(_point("Figure 8", row["model"], row["temperature"], row) for row in rows("figure8")),
    )


def curves(moments: Iterable[str]) -> dict[str, dict[str, Point]]:
    """Return the paper's points by line and by these moments, of lines that share two or more moments with them."""
    found: dict[str, dict[str, Point]] = {}
    for moment in moments:
        word = STAGES.get(moment, moment).casefold()
        for point in points():
            if point.moment.casefold() == word:
                found.setdefault(f"{point.line} ({point.source})", {})[moment] = point
    return {line: placed for line, placed in found.items() if len(placed) > 1}


def _table3() -> list[Point]:
    sft, *others = rows("table3")
    found = []
    for first, second in zip(others[::2], others[1::2], strict=True):
        steps = first["model"].removeprefix("stage 1 for ")
        stages = {"SFT": sft, "stage 1": first, "stage 2": second}
        found += [_point("Table 3", f"{steps} of stage 1", moment, row) for moment, row in stages.items()]
    return found


def _point(source: str, line: str, moment: str, row: Row) -> Point:
    return Point(source, line, moment, _percents(row))


def _percents(row: Row) -> dict[str, float]:
    return {name: float(cell) for name, cell in row.items() if name not in _WORDS and cell}
