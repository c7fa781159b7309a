import json

import pytest

from benchmarks import report, suite
from benchmarks.report import Result, Row


@pytest.mark.parametrize(
    ("value", "bounds", "requirement", "met"),
    [
        (2.0, {}, "", None),
        (2.0, {"at_least": 2.0}, "at least 2", True),
        (1.99, {"at_least": 2.0}, "at least 2", False),
        (0.6, {"at_most": 0.6}, "at most 0.6", True),
        (0.61, {"at_most": 0.6}, "at most 0.6", False),
        (3.0, {"at_least": 1.0, "at_most": 2.0}, "at least 1 and at most 2", False),
    ],
)
def test_requirements(value, bounds, requirement, met):
    row = Row("speed", value, "ratio", **bounds)
    assert (row.requirement, row.met) == (requirement, met)


def result() -> Result:
    rows = [Row("ours / theirs", 1.234, "ratio", at_least=2.0), Row("tokens", 12345.6, "a second")]
    machine = {"cores": 2, "processor": "P", "memory_gib": 24.0, "system": "S", "commit": "abc"}
    return Result("race", "python -m benchmarks.suite race", rows, "2026-01-31", 61.4, machine, {"torch": "1.0"})


def test_markdown_says_what_ran_where_and_what_was_missed():
    text = report.markdown([result()])
    assert "`python -m benchmarks.suite race`, 2026-01-31, 61 s; 2 cores of P, 24.0 GiB, S; torch 1.0; commit" in text
    assert "| ours / theirs | 1.23 | ratio | at least 2 | **missed** |" in text
    assert "| tokens | 12,346 | a second |  |  |" in text


def test_json_holds_the_same(tmp_path):
    report.write([result()], tmp_path / "new")
    (read,) = json.loads((tmp_path / "new" / "results.json").read_text())
    assert (read["name"], read["date"], read["machine"]["cores"]) == ("race", "2026-01-31", 2)
    assert read["rows"][0] | {"requirement": "at least 2", "met": False, "value": 1.234} == read["rows"][0]
    assert (tmp_path / "new" / "RESULTS.md").read_text().startswith("# Results\n")


def test_this_machine():
    machine = report.machine()
    assert machine["cores"] >= 1
    assert machine["memory_gib"] > 0
    assert report.versions()["torch"].startswith("2.")


def test_a_benchmark_that_fails_does_not_stop_the_others(tmp_path, monkeypatch):
    found = {"good": result(), "bad": None, "better": result()}
    monkeypatch.setattr(suite, "in_a_process", found.__getitem__)
    results, failed = suite.run_all(list(found), tmp_path)
    assert (len(results), failed) == (2, ["bad"])
    assert len(json.loads((tmp_path / "results.json").read_text())) == 2
