import json
from datetime import datetime

import pytest
from datasets import Dataset

from acereason.common.errors import UserError
from acereason.data.problems import Source, Window

DATES = ["2024-07-31T23:59:00", "2024-08-01T00:00:00", "2025-01-31", "2025-02-01T00:00:00", "2025-04-30", "2025-05-01"]
V5, V6 = Window("date", "2024-08-01", "2025-02-01"), Window("date", "2025-02-01", "2025-05-01")


def rows(folder) -> str:
    path = folder / "rows.jsonl"
    table = [{"problem": str(i), "answer": "1", "date": date} for i, date in enumerate(DATES)]
    path.write_text("".join(json.dumps(row) + "\n" for row in table))
    return str(path)


@pytest.mark.parametrize(("window", "expected"), [(V5, ["1", "2"]), (V6, ["3", "4"]), (None, list("012345"))])
def test_the_first_day_is_in_and_the_last_is_out(tmp_path, window, expected):
    assert Source(rows(tmp_path), window=window).rows("k")["problem"] == expected


def test_the_limit_counts_rows_in_the_window(tmp_path):
    assert Source(rows(tmp_path), window=V6, limit=1).rows("k")["problem"] == ["3"]


def test_timestamps_serve_too(tmp_path):
    table = [{"problem": str(i), "answer": "1", "date": datetime.fromisoformat(date)} for i, date in enumerate(DATES)]
    Dataset.from_list(table).to_parquet(tmp_path / "rows.parquet")
    assert Source(str(tmp_path / "rows.parquet"), window=V5).rows("k")["problem"] == ["1", "2"]


def test_a_row_without_a_date_is_in_no_window_and_words_are_none(tmp_path):
    path = tmp_path / "rows.jsonl"
    table = [{"problem": str(i), "answer": "1", "date": date} for i, date in enumerate([None, "", DATES[1]])]
    path.write_text("".join(json.dumps(row) + "\n" for row in table))
    assert Source(str(path), window=V5).rows("k")["problem"] == ["2"]
    path.write_text(path.read_text() + '{"problem": "3", "answer": "1", "date": "Aug 1, 2024"}')
    with pytest.raises(UserError, match=r"k\.window\.column: .*'date': 'Aug 1, 2024' is not a date such as 2024-08-01"):
        Source(str(path), window=V5).rows("k")


@pytest.mark.parametrize(
    ("window", "message"),
    [
        (Window("day", "2024-08-01", "2025-02-01"), r"k\.window\.column: .* has no column 'day'"),
        (Window("date", "2024-08", "2025-02-01"), r"k\.window\.since: '2024-08' is not a date"),
        (Window("date", "2025-02-01", "2024-08-01"), "is not before"),
        (Window("date", "2030-02-01", "2031-08-01"), "no row of .* is from 2030-02-01 to 2031-08-01"),
    ],
)
def test_a_window_that_can_not_work_is_named(tmp_path, window, message):
    with pytest.raises(UserError, match=message):
        Source(rows(tmp_path), window=window).rows("k")
