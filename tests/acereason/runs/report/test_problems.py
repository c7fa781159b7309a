from acereason.runs.report.problems import (
    easiest,
    filtered_table,
    hardest,
    lengths,
    pass_rates,
    problem_table,
    problems_of,
    verdict_table,
)
from acereason.runs.report.reading import read_run
from tests.support.made_run import make_rl


def test_problems_from_the_hardest_to_the_easiest(tmp_path):
    met = problems_of(read_run(make_rl(tmp_path / "rl"), "rl"))
    assert [one.problem for one in hardest(met)] == ["p1", "p2", "p0"]
    assert [one.problem for one in easiest(met)] == ["p0", "p2", "p1"]
    worst, middle, _ = problem_table(met).rows
    assert worst == ["what is 1?", "p1", "4", "0.0 %", "0.0 % → 0.0 %", "15.5"]
    assert middle[3:5] == ["71.9 %", "25.0 % → 100.0 %"]  # 2, 5, 8 and 8 of 8


def test_groups_by_pass_rate_and_responses_by_length(tmp_path):
    run = read_run(make_rl(tmp_path / "rl"), "rl")
    first, second = pass_rates(run).lines
    assert (first.name, second.name) == ("math_24", "code_32")
    assert first.x == ["none", "1-24", "25-49", "50-74", "75-99", "all"]
    assert first.y == [1 / 3, 0, 1 / 6, 1 / 6, 0, 1 / 3]  # 8, 0, 2, 8, 0 and 5 of 8
    assert sum(second.y) == 1
    assert lengths(run).lines[0].x == [10.5, 11.5, 12.5, 13.5, 14.5, 15.5]
    assert lengths(run).lines[0].y == [1 / 6] * 6


def test_verdicts_have_errors_first(tmp_path):
    table = verdict_table(read_run(make_rl(tmp_path / "rl"), "rl"))
    assert table.marks == ["error", "wrong", "correct"]
    assert [row[:3] for row in table.rows] == [
        ["error", "timeout", "1"],
        ["wrong", "no box", "40"],
        ["correct", "equal", "55"],
    ]
    assert table.rows[0][3:] == [f"{100 / 48:.1f} %", "0.0 %"]


def test_problems_that_were_left_out(tmp_path):
    (row,) = filtered_table(read_run(make_rl(tmp_path / "rl"), "rl")).rows
    assert row == ["code_32", "after epoch 1", "1", "p0: all 8 rollouts of step 7 correct"]
