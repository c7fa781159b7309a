from acereason.runs.report.content import Heading, Plots, Table
from acereason.verbs.studies.measures import Measure
from acereason.verbs.studies.page import mean_curve, page

VALUES = {
    "rl": {"a": {0: 1.0, 1: 3.0}, "b": {0: 4.0, 1: 5.0}},
    "sft": {"a": {0: 1.0, 1: 1.0}},
}


def test_tables_by_hand():
    report = page("Q?", "", {"m": Measure("test", "avg", "sums")}, {"m": VALUES}, {}, [])
    numbers = report.sections[-1].blocks
    assert Heading("m (%): avg of sums after test") in numbers
    means, differences = (block for block in numbers if isinstance(block, Table))
    assert means == Table(["moment", "a", "b"], [["rl", "2.00 ± 1.00", "4.50 ± 0.50"], ["sft", "1.00 ± 0.00", "-"]])
    # differences 3 and 2: 2.5 +- 12.706 * 0.5; the second moment has no second arm
    assert differences == Table(["moment", "b - a"], [["rl", "+2.50 (-3.85 to +8.85)"], ["sft", "-"]])


def test_figures_have_standard_errors_and_an_arm_a_line():
    report = page("Q?", "", {"m": Measure("test", "avg", "sums")}, {"m": VALUES}, {}, [])
    (plots,) = (block for section in report.sections for block in section.blocks if isinstance(block, Plots))
    first, second = plots.plots[0].lines
    assert (first.name, first.x, first.y, first.error) == ("a", ["rl", "sft"], [2.0, 1.0], [1.0, 0.0])
    assert (second.name, second.x, second.y, second.error) == ("b", ["rl"], [4.5], [0.5])


def test_one_seed_has_neither_error_nor_interval():
    values = {"end": {"a": {0: 1.0}, "b": {0: 3.5}}}
    report = page("Q?", "", {"m": Measure("test", "avg", "sums")}, {"m": values}, {}, [])
    tables = [block.rows for block in report.sections[-1].blocks if isinstance(block, Table)]
    assert tables == [[["end", "1.00", "3.50"]], [["end", "+2.50"]]]


def test_coefficients_of_a_fit_are_a_row_and_no_figure():
    fit = {"a": {"fit": {0: 4.0, 1: 6.0}}, "b": {"fit": {0: 1.0, 1: 1.0}}, "r2": {"fit": {0: 0.9, 1: 0.8}}}
    report = page("Q?", "", {"m": Measure("test", "avg", "sums")}, {"m": VALUES, "scaling": fit}, {}, [])
    heading, table = report.sections[-1].blocks[-2:]
    assert heading == Heading("scaling: a log2 prompts + b log2 responses + c, the logarithms standardized (4.4.2)")
    assert table == Table(["a", "b", "r2"], [["5.00 ± 1.00", "1.00 ± 0.00", "0.85 ± 0.05"]])
    (plots,) = (block for section in report.sections for block in section.blocks if isinstance(block, Plots))
    assert [plot.title for plot in plots.plots] == ["m"]


def test_a_mean_of_fewer_seeds_than_the_others_says_so():
    values = {"k=8": {"a": {0: 1.0, 1: 3.0}, "b": {0: 4.0, 1: 5.0, 2: 9.0}}}
    report = page("Q?", "", {"m": Measure("test", "pass_at_k", "sums")}, {"m": values}, {}, [])
    (means, _) = (block for block in report.sections[-1].blocks if isinstance(block, Table))
    assert means.rows == [["k=8", "2.00 ± 1.00 (seeds: 2)", "6.00 ± 1.53"]]


def test_a_mean_of_curves_is_of_the_steps_that_all_have():
    assert mean_curve([[(0, 1.0), (1, 2.0)], [(1, 4.0), (2, 9.0)]]) == [(1, 3.0)]


def test_courses_are_smoothed_but_those_of_evaluations():
    courses = {}
    for name in ("length", "eval/sums/avg"):
        curves = {"m": {"a": [[(0, 1.0), (40, 3.0), (80, 8.0)], [(0, 3.0), (40, 5.0), (80, 6.0)]]}}
        report = page("Q?", "", {"m": Measure("rl", name)}, {"m": {"end": {"a": {0: 8.0, 1: 6.0}}}}, curves, [])
        (found,) = (block for section in report.sections if section.id == "courses" for block in section.blocks[1:])
        courses[name] = [line.y for line in found.plots[0].lines]  # two seeds and their mean
    assert courses["length"] == [[1.0, 2.0, 4.0], [3.0, 4.0, 14 / 3], [2.0, 3.0, 13 / 3]]
    assert courses["eval/sums/avg"] == [[1.0, 3.0, 8.0], [3.0, 5.0, 6.0], [2.0, 4.0, 7.0]]
