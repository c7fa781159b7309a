"""This package holds the paper's numbers as data: a CSV file for each table, with its source in the first line."""

import csv
from pathlib import Path

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
    return {name: float(cell) for name, cell in row.items() if name != "model" and cell}
