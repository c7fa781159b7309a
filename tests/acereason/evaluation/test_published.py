"""The paper's text says differences between its tables' cells: a cell copied wrongly would not give them."""

import pytest

from acereason.evaluation.published import rows, table1

FOUR = ("aime24", "aime25", "livecodebench_v5", "livecodebench_v6")


@pytest.mark.parametrize(
    ("before", "after", "gains"),
    [
        ("SFT-7B", "AceReason-Nemotron-1.1-7B", (10.6, 16.4, 8.4, 8.3)),
        ("DeepSeek-R1-Distill-Qwen-7B", "AceReason-Nemotron-1.0-7B", (13.5, 14.6, 14.2, 10.0)),
    ],
)
def test_gains_of_rl(before, after, gains):
    """Section 4.3."""
    gained = [table1(after)[name] - table1(before)[name] for name in FOUR]
    assert gained == pytest.approx(gains)


def test_arrows_of_table_3():
    """Printed beside its cells: changes against the SFT model on AIME24 and AIME25."""
    arrows = [(-0.7, -3.8), (3.3, 8.3), (-0.4, -1.9), (4.3, 8.3), (1.2, -1.6), (4.1, 6.4)]
    sft, *others = rows("table3")
    changes = [tuple(float(row[name]) - float(sft[name]) for name in FOUR[:2]) for row in others]
    assert changes == [pytest.approx(pair) for pair in arrows]


def test_rows_that_stand_in_several_tables_agree():
    sft = {name: table1("SFT-7B")[name] for name in FOUR}
    for name in ("table3", "figure8"):
        assert {key: float(rows(name)[0][key]) for key in FOUR} == sft
    hottest, longest = rows("figure8")[-1], rows("table3")[2]
    assert [hottest[key] for key in FOUR] == [longest[key] for key in FOUR]  # the paper's Table 3 is of T = 1.0


def test_what_a_model_was_not_measured_on_is_left_out():
    assert table1("OpenMath-Nemotron-7B") == {"aime24": 74.8, "aime25": 61.2}
    assert len(table1("AceReason-Nemotron-1.1-7B")) == 8
    assert len(rows("table1")) == 15
