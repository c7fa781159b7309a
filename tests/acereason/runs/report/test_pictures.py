"""Plots as matplotlib draws them."""

from acereason.runs.report.content import Line, Plot
from acereason.runs.report.pictures import picture


def drawn(plot):
    figure = picture([plot])
    figure.draw_without_rendering()
    return figure.axes[0]


def plot(names, x=(0, 1)):
    return Plot("p", "a title", [Line(name, list(x), [1.0] * len(x), "line", n) for n, name in enumerate(names)])


def test_names_of_a_few_lines_stand_in_the_plot_and_of_many_beside_it():
    few, many = drawn(plot("abcd")), drawn(plot("abcde"))
    assert few.get_window_extent().overlaps(few.get_legend().get_window_extent())
    assert not many.get_window_extent().overlaps(many.get_legend().get_window_extent())
    assert [text.get_text() for text in many.get_legend().get_texts()] == list("abcde")


def test_names_below_the_plot_are_not_told_again():
    names = ["24 mask", "24 reward 0"]
    axes = drawn(Plot("p", "t", [Line(name, [name], [1.0], "points", n, [0.1]) for n, name in enumerate(names)]))
    assert axes.get_legend() is None
    assert [label.get_text() for label in axes.get_xticklabels()] == names


def test_a_single_line_has_no_legend():
    assert drawn(plot("a")).get_legend() is None


def test_names_that_do_not_fit_below_the_plot_are_turned():
    short, long = drawn(plot("ab", x=["4", "end"])), drawn(plot("ab", x=[f"{n} x responses" for n in range(9)]))
    assert {label.get_rotation() for label in short.get_xticklabels()} == {0.0}
    assert {label.get_rotation() for label in long.get_xticklabels()} == {30.0}


def test_classes_of_bars_are_turned_too():
    bars = Plot(
        "p", "t", [Line("a", [f"between {n} and {n + 1}" for n in range(5)], [1.0] * 5, "line", 0)], histogram=True
    )
    assert {label.get_rotation() for label in drawn(bars).get_xticklabels()} == {30.0}
