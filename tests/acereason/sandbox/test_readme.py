"""What the package's page says is so: its examples run, its figures are those of benchmarks/RESULTS.md."""

import re
from pathlib import Path

import pytest

FOLDER = Path("acereason/sandbox")
PAGE = (FOLDER / "README.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=["alone", "with an examiner"])
def test_an_example_runs_as_it_stands(example):
    assert example.count("assert ") >= 2
    assert len([line for line in example.splitlines() if line]) <= 10
    exec(compile(example, "README.md", "exec"), {})


def test_every_file_that_the_page_names_is_there():
    named = set(re.findall(r"`(\w+\.py)`", PAGE))
    tests = {path.name for path in Path("tests/acereason/rewards").rglob("test_*.py")}
    assert len(named) > 15
    assert named <= {path.name for path in FOLDER.glob("*.py")} | tests


def test_its_figures_are_those_of_the_results():
    results = Path("benchmarks/RESULTS.md").read_text().partition("## Code verdicts")[2].partition("\n## ")[0]
    for name in ("sandbox, all six layers", "`python file.py`"):
        row = re.compile(rf"^\| {re.escape(name)}[^|]*\| (\d+) \| (\d+) \|", flags=re.MULTILINE)
        assert row.findall(PAGE) == row.findall(results) != []
