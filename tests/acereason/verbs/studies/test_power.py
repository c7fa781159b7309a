from pathlib import Path

from acereason.verbs.studies.power import power_table, samples_table, seeds_table


def test_the_page_has_the_tables_that_the_code_makes():
    page = Path("docs/studies.md").read_text()
    for table in (seeds_table(), power_table(), samples_table()):
        assert table in page


def test_cells_by_hand():
    # sd 1, difference 1: ten pairs, as in textbooks; 30 problems of 16: sqrt(2 * 0.15 / 480) is 2.5 points
    assert seeds_table().splitlines()[2].startswith("| 1 | 10 | 34 |")
    assert samples_table().splitlines()[2].startswith("| 30 x 16 | 2.5 |")
