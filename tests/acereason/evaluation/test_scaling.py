import csv
import json
import re

import numpy as np
import pytest

import run
from acereason.common.errors import UserError
from acereason.evaluation.scaling import fit_scaling

X, Y = [36e3, 70e3, 140e3, 280e3, 290e3, 300e3, 383e3], [1, 1, 1, 1, 2.2, 4.0, 5.7]


def standardized(values):
    logarithms = np.log2(values)
    return (logarithms - logarithms.mean()) / logarithms.std()


def made(a: float, b: float, c: float, noise: float = 0.0):
    return a * standardized(X) + b * standardized(Y) + c + noise * np.array([1, -1, 2, -2, 1, -1, 0])


def test_known_coefficients_come_back():
    fit = fit_scaling(X, Y, made(4.831, 2.635, 45.0))
    assert (fit.a, fit.b, fit.c, fit.r2) == pytest.approx((4.831, 2.635, 45.0, 1.0))


def test_noise_lowers_r2_as_the_residuals_say():
    z = made(4.831, 2.635, 45.0, noise=0.5)
    fit = fit_scaling(X, Y, z)
    residuals = z - made(fit.a, fit.b, fit.c)
    assert fit.r2 == pytest.approx(1 - residuals.var() / z.var())
    assert 0.95 < fit.r2 < 1
    design = np.column_stack([standardized(X), standardized(Y), np.ones(7)])
    assert (fit.a, fit.b, fit.c) == pytest.approx(np.linalg.solve(design.T @ design, design.T @ z))  # normal equations


@pytest.mark.parametrize(
    ("x", "y", "z", "message"),
    [
        (X[:3], Y[:3], [1, 2, 3], "3 points"),
        ([0, *X[1:]], Y, [1] * 7, "above 0"),
        (X, [2] * 7, [1] * 7, "are the same"),
        (X, [value**2 for value in X], [1] * 7, "lie on a line"),
    ],
)
def test_points_that_settle_nothing_are_refused(x, y, z, message):
    with pytest.raises(UserError, match=message):
        fit_scaling(x, y, z)


def test_the_verb(tmp_path, capsys):
    with (tmp_path / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["prompts", "per", "z"], *zip(X, Y, made(3.0, 1.0, 50.0), strict=True)])
    files = [f"--input={tmp_path}/table.csv", f"--output={tmp_path}/fit.json"]
    run.main(["scaling", *files, "--y=per", "--z=z"])
    assert "R^2 = 1.000 over 7 rows" in " ".join(capsys.readouterr().out.split())
    assert json.loads((tmp_path / "fit.json").read_text())["a"] == pytest.approx(3.0)
    with pytest.raises(SystemExit):
        run.main(["scaling", *files, "--z=z"])
    assert "row 1: no number in column 'responses'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["table.csv", "table.jsonl"])
def test_a_table_as_a_spreadsheet_saves_it(tmp_path, name):
    """With a mark before the first column's name, and Windows' line ends."""
    rows = [dict(zip(("prompts", "responses", "accuracy"), row, strict=True)) for row in zip(X, Y, X, strict=True)]
    lines = ["prompts,responses,accuracy", *(",".join(map(str, row.values())) for row in rows)]
    text = lines if name.endswith(".csv") else [json.dumps(row) for row in rows]
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*text, ""]).encode())
    run.main(["scaling", f"--input={tmp_path / name}", f"--output={tmp_path / 'fit.json'}"])
    assert json.loads((tmp_path / "fit.json").read_text())["r2"] > 0.5


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("t.csv", b"prompts,responses,accuracy\n1,2,caf\xe9\n", r"input: .*t.csv, line 2: byte 0xe9 is no UTF-8"),
        (
            "t.csv",
            b"prompts;responses;accuracy\n1;2;3\n",
            r"row 1: no number in column 'prompts'; the columns are prompts;",
        ),
        ("t.jsonl", b"[1, 2]\n", r"t.jsonl is no JSON lines: each has to be an object"),
    ],
    ids=["Latin-1", "semicolons", "lists"],
)
def test_a_table_that_can_not_be_read(tmp_path, capsys, name, data, told):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SystemExit):
        run.main(["scaling", f"--input={tmp_path / name}"])
    assert re.search(told, capsys.readouterr().err)
