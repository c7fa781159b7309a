import json

import pytest

from acereason.common.errors import UserError
from acereason.data.problems import Source
from acereason.data.where import Range, holds


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (Range(most=0.375), [0, 0.375, "0.25 of all"]),
        (Range(least=0.375), [0.375, 1, "Level 5"]),
        (Range(0.3, 0.4), [0.375]),
        (Range(5, 5), ["Level 5"]),
        ([0.375, None], [0.375, None, float("nan")]),
    ],
    ids=str,
)
def test_what_a_column_is_asked(asked, kept):
    cells = [0, 0.375, "0.25 of all", 1, "Level 5", None, float("nan"), "none", True]
    assert str([cell for cell in cells if holds(cell, asked)]) == str(kept)


def test_rows_in_two_ranges(tmp_path):
    rates = [None, 0.0, 0.25, 0.375, 0.5, 1.0]
    rows = [
        {"problem": f"{n}+0", "answer": n, "pass_rate": rate, "mean_tokens": 10 * n} for n, rate in enumerate(rates)
    ]
    (tmp_path / "f.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = Source(str(tmp_path / "f.jsonl"), where={"pass_rate": Range(most=0.375), "mean_tokens": Range(20, 40)})
    assert [row["problem"] for row in source.rows("s")] == ["2+0", "3+0"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [(Range(), r"s\.where\.level: give least, most or both"), (Range(2, 1), "least 2 is above most 1")],
    ids=["neither", "crossed"],
)
def test_a_range_that_holds_nothing(asked, told):
    with pytest.raises(UserError, match=told):
        Source("f.jsonl", where={"level": asked}).check("s")
