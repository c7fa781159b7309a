"""Conditions of a source on the values of a column."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from datasets import Dataset

from acereason.common.errors import UserError
from acereason.data.values import number_of, same

Asked = str | int | float | bool | None
"""A value that a column may be asked to hold."""


@dataclass
class Range:
    """Numbers between two bounds, both included."""

    least: float | None = None
    """The lower bound; null: none."""
    most: float | None = None
    """The upper bound; null: none."""

    def check(self, key: str) -> None:
        """Raise a UserError for a range that holds nothing, or everything; `key` names it."""
        if self.least is None and self.most is None:
            raise UserError(f"{key}: give least, most or both")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise UserError(f"{key}: least {self.least:g} is above most {self.most:g}")

    def holds(self, cell: Any) -> bool:
        """Return whether the first number of a cell is in the range; a cell without a number is not."""
        number = number_of(cell)
        low, high = (-math.inf if self.least is None else self.least), (math.inf if self.most is None else self.most)
        return number is not None and low <= number <= high


def holds(cell: Any, asked: list[Asked] | Range) -> bool:
    """Return whether a cell means the same as one of the values, or is in the range."""
    return asked.holds(cell) if isinstance(asked, Range) else any(same(cell, value) for value in asked)


def cells(rows: Dataset, column: str, size: int = 1000) -> Iterator[Any]:
    """Yield the cells of a column."""
    # why: without the other columns, and some at a time, so that large texts and tests are not read
    alone = rows.select_columns([column])
    for start in range(0, len(alone), size):
        yield from alone[start : start + size][column]
