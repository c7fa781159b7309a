"""The paper's text says differences between its tables' cells: a cell copied wrongly would not give them."""

import pytest

from acereason.evaluation.published import curves, points, rows, table1

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


def test_points_are_the_cells_of_the_tables():
    found = {(point.source, point.line, point.moment): point.percents for point in points()}
    assert len(found) == 15 + 4 + 3 * 3 + 6
    assert found["Table 1", "OpenMath-Nemotron-7B", ""] == {"aime24": 74.8, "aime25": 61.2}
    assert [found["Table 2", "mask", "64K"][name] for name in FOUR] == [72.4, 64.5, 53.5, 45.7]
    assert found["Table 3", "1600 steps of stage 1", "SFT"]["aime25"] == 48.4
    assert found["Table 3", "2300 steps of stage 1", "stage 2"]["aime25"] == 54.8
    assert found["Figure 8", "stage 2", "0.85"]["aime24"] == 67.6


def test_an_average_needs_every_number():
    point = next(point for point in points() if point.line == "Light-R1-7B")
    assert point.percent(["aime24", "aime25"]) == pytest.approx((59.1 + 44.3) / 2)
    assert point.percent(["aime24", "evalplus"]) is None
    assert point.percent([]) is None


@pytest.mark.parametrize(
    ("moments", "lines"),
    [
        (["sft", "math_8k", "math_16k", "math_24k"], [f"{n} steps of stage 1 (Table 3)" for n in (1200, 1600, 2300)]),
        (["SFT", "stage 1"], [f"{n} steps of stage 1 (Table 3)" for n in (1200, 1600, 2300)]),
        (["32k", "64k"], ["mask (Table 2)", "penalize (Table 2)"]),
        (["0.6", "1.0"], ["SFT (Figure 8)", "stage 2 (Figure 8)"]),
        (["sft", "rl"], []),
    ],
)
def test_lines_of_the_paper_share_two_moments(moments, lines):
    assert list(curves(moments)) == lines
