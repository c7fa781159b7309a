"""docs/paper.md has for each sentence the key that does it, or says that it isn't done; its tables are the data's."""

import csv
import re
from functools import cache
from pathlib import Path

import pytest

from acereason.evaluation import published
from tests.support.claims import Claim, fault, looked_up, parsed, spans

PAGE = Path("docs/paper.md")
TABLES = {
    "table1": "Table 1: the models",
    "table2": "Table 2: math-only stage 4 by overlong policy and by the length of evaluation",
    "table3": "Table 3: steps of math-only stage 1",
    "figure8": "Figure 8, right: temperatures",
    "figure8_entropy": "Figure 8, left: entropy",
}


@cache
def sentences() -> list[tuple[Path, str]]:
    """(file in the heading, row) of every row about a sentence."""
    found = []
    for section in PAGE.read_text().split("\n## ")[1:]:
        heading, _, text = section.partition("\n")
        if named := re.search(r"`(conf/\S+)`", heading):
            found += [(Path(named[1]), row) for row in re.findall(r"^\| .+$", text, re.MULTILINE)[1:]]
    return found


def told(path: Path, row: str) -> list[Claim]:
    """The claims in a row's second cell. A file named there is that of what follows."""
    claims = []
    for claim in spans(path, row.split(" | ")[1]):
        if claim.span.startswith("conf/"):
            path = Path(claim.span)
        else:
            claims.append(Claim(path, claim.span, claim.default))
    return claims


def test_every_sentence_has_a_key_or_says_that_it_is_not_done():
    assert len(sentences()) > 80
    without = [row for path, row in sentences() if not told(path, row)]
    assert [row for row in without if row.split(" | ")[1] not in ("no act", "**not done**")] == []


def test_its_keys_have_the_values_that_it_says():
    claims = [claim for path, row in sentences() for claim in told(path, row)]
    keys = [claim for claim in claims if claim.names_a_key]
    assert len(keys) > 110
    assert not [wrong for claim in keys if (wrong := fault(claim))]
    classes = [claim for claim in claims if claim not in keys]
    assert classes
    assert [claim for claim in classes if f"class_path: {claim.span}\n" not in claim.path.read_text()] == []


@pytest.mark.parametrize(
    ("key", "default"),
    [("data.benchmarks.aime24.m: 64", False), ("data.benchmarks.aime24.n: 65", False), ("data.seed", False)],
)
def test_a_wrong_key_or_value_is_found(key, default):
    assert fault(Claim(Path("conf/eval/acereason.yaml"), key, default))


def test_instructions_of_the_appendix_are_the_templates():
    """What the page quotes of appendix A."""
    template = looked_up(parsed(Path("conf/eval/acereason.yaml")), "data.template")
    rows = [row for _, row in sentences() if "`data.template." in row and "nothing on" not in row]
    assert len(rows) == 3
    for row in rows:
        (key,) = re.findall(r"`data\.template\.(\w+)`", row)
        assert re.findall(r'"([^"]+)"', row)[-1] in template[key]


def cells(title: str) -> list[list[str]]:
    """The rows of the page's table under a heading."""
    section = PAGE.read_text().split(f"### {title}\n")[1].split("\n#")[0]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in re.findall(r"^\|.+\|$", section, re.M)[2:]]


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_those_of_the_data(name):
    shown = cells(TABLES[name])
    assert shown == [list(row.values()) for row in published.rows(name)]
    assert len(shown) >= 3


def test_every_table_of_the_data_is_on_the_page():
    folder = Path(published.__file__).parent
    assert {file.stem for file in folder.glob("*.csv")} == set(TABLES)
    for file in folder.glob("*.csv"):
        source, *table = file.read_text().splitlines()
        assert source.startswith("# arXiv 2506.13284, ")
        assert len({len(row) for row in csv.reader(table)}) == 1
