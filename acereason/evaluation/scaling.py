"""The verb `scaling` tells which scales better, prompts or responses per prompt, by the regression of section 4.4.2."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from acereason.common.errors import UserError
from acereason.common.files import read_text, write_json


@dataclass(frozen=True)
class Fit:
    """A fit of z = a log2 x + b log2 y + c, with both logarithms standardized."""

    a: float
    """Change of z per standard deviation of log2 x."""
    b: float
    """Change of z per standard deviation of log2 y."""
    c: float
    """Mean of z, since the standardized logarithms have mean zero."""
    r2: float
    """Coefficient of determination."""


def fit_scaling(x: Sequence[float], y: Sequence[float], z: Sequence[float]) -> Fit:
    """Fit by least squares on log2 x and log2 y, each brought to mean zero and unit variance (of the population).

    Args:
        x: number of unique prompts of each data set.
        y: responses per prompt of each data set.
        z: accuracy of the model trained on each data set.

    Raises:
        UserError: the points do not determine a, b and c.
    """
    points = np.array([x, y, z], dtype=np.float64)
    if points.shape[1] < 4:
        raise UserError(f"scaling: {points.shape[1]} points; a, b and c take three, and R^2 says nothing below four")
    if not np.isfinite(points).all() or (points[:2] <= 0).any():
        raise UserError("scaling: every x and y must be above 0, and every number finite")
    logarithms = np.log2(points[:2])
    if (logarithms.std(axis=1) == 0).any():
        raise UserError("scaling: all x, or all y, are the same")
    standardized = (logarithms - logarithms.mean(axis=1, keepdims=True)) / logarithms.std(axis=1, keepdims=True)
    columns = np.column_stack([*standardized, np.ones(points.shape[1])])
    # why: `lstsq` would answer all the same, with one of endlessly many pairs of a and b
    if np.linalg.matrix_rank(columns) < 3:
        raise UserError("scaling: log2 x and log2 y lie on a line, so that nothing tells a from b")
    (a, b, c), *_ = np.linalg.lstsq(columns, points[2], rcond=None)
    return Fit(float(a), float(b), float(c), _r_squared(points[2], columns @ np.array([a, b, c])))


def scaling(
    input: str, x: str = "prompts", y: str = "responses", z: str = "accuracy", output: str | None = None
) -> None:
    """Fit z = a log2 x + b log2 y + c to a table, x and y standardized after the logarithm (section 4.4.2).

    Args:
        input: a .csv file with a header, or a .jsonl file, with a row for each data set.
        x: column of the number of unique prompts.
        y: column of responses per prompt.
        z: column of accuracy; the paper takes the mean of AIME24, AIME25, LiveCodeBench v5 and v6.
        output: .json file for a, b, c and r2; null shows them on screen alone.
    """
    rows = _rows(Path(input))
    columns = [[_number(row, name, number, input) for number, row in enumerate(rows, 1)] for name in (x, y, z)]
    fit = fit_scaling(*columns)
    Console().print(
        f"{z} = {fit.a:.3f} log2({x}) + {fit.b:.3f} log2({y}) + {fit.c:.3f}, logarithms standardized; "
        f"R^2 = {fit.r2:.3f} over {len(rows)} rows",
        markup=False,
        highlight=False,
    )
    if output:
        write_json(Path(output), asdict(fit))


def _r_squared(z: np.ndarray, fitted: np.ndarray) -> float:
    total = ((z - z.mean()) ** 2).sum()
    return float("nan") if total == 0 else float(1 - ((z - fitted) ** 2).sum() / total)


def _rows(path: Path) -> list[dict]:
    if path.suffix not in (".csv", ".jsonl") or not path.is_file():
        raise UserError(f"input: no .csv or .jsonl file {path}")
    text = read_text(path, "input")
    # why: without newline="" Python would translate line breaks within quoted cells before `csv` sees them
    if path.suffix == ".csv":
        return list(csv.DictReader(io.StringIO(text, newline="")))
    try:
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError as error:
        raise UserError(f"input: {path} is no JSON lines: {error}") from error
    if not all(isinstance(row, dict) for row in rows):
        raise UserError(f"input: {path} is no JSON lines: each has to be an object")
    return rows


def _number(row: dict, name: str, number: int, path: str) -> float:
    try:
        return float(row[name])
    except (KeyError, TypeError, ValueError) as error:
        has = ", ".join(map(str, row))
        raise UserError(
            f"{path}, row {number}: no number in column {name!r}; the columns are {has}: name them with x, y, z"
        ) from error
