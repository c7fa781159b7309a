import json

import pytest
from rich.console import Console

from acereason.common.errors import UserError
from acereason.evaluation.measured import result_of
from acereason.evaluation.results import evalplus, markdown, read_results, table, write_results
from tests.support.evaluations import MATH, sample


def test_they_are_read_as_they_were_written_and_written_the_same_twice(tmp_path):
    results = {"m": result_of(MATH, 2, seed=0), "none": result_of([sample("n/0", 0, "error")], 1, seed=0)}
    write_results(tmp_path, {"seed": 0, "rewards": {"after_think": "require"}}, results)
    assert read_results(tmp_path) == results
    first = (tmp_path / "results.json").read_bytes()
    write_results(tmp_path, {"seed": 0, "rewards": {"after_think": "require"}}, results)
    assert (tmp_path / "results.json").read_bytes() == first
    assert json.loads(first)["benchmarks"]["none"]["avg"] is None  # strict JSON knows no NaN


def test_the_table_stands_beside_the_papers(tmp_path):
    plus = {"humaneval_plus": [sample("h", 0, "correct")], "mbpp_plus": [sample("b", 0, "wrong")]}
    results = {name: result_of(samples, 1, seed=0) for name, samples in plus.items()} | {
        "aime24": result_of(MATH, 2, 0)
    }
    assert evalplus(results) == 0.5
    text = markdown(results, "require")
    assert "An answer counts only after `</think>`" in text
    assert "read as a whole" in markdown(results, "prefer")
    assert "| aime24 | 2 | 50.0 | 28.9 | 20.4 | 100.0 | 66.7 | 16.7 | 15 | 16.7 | 62.0 | 72.6 |" in text
    (line,) = [line for line in text.splitlines() if "EvalPlus" in line]
    assert [cell.strip() for cell in line.split("|")][1:4] == ["EvalPlus: their mean", "", "50.0"]
    assert "| 83.4 | 84.8 |" in line
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert widths == {13}
    assert evalplus({"mbpp_plus": results["mbpp_plus"]}) is None


def test_the_screens_table_fits_80_characters():
    console = Console(width=80, record=True, force_terminal=False)
    console.print(table({"livecodebench_v5": result_of(MATH, 2, seed=0)}, "results"))
    text = console.export_text()
    assert "…" not in text
    assert "57.2" in text


@pytest.mark.parametrize(("text", "message"), [(None, "no results.json there"), ("{}", "no results of run.py test")])
def test_a_folder_without_results_is_named(tmp_path, text, message):
    if text is not None:
        (tmp_path / "results.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read_results(tmp_path)
