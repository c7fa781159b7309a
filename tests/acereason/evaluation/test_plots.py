import pytest

from acereason.evaluation.plots import draw_accuracy, draw_bands, draw_pass_at_k, draw_rates
from acereason.evaluation.policies import Policy
from tests.support.evaluations import result_by_counts

SFT, RL = result_by_counts(a=4, b=2, c=0, d=1, e=0), result_by_counts(a=4, b=3, c=2, d=0, f=4)
BOTH = [Policy("SFT", {"aime24": SFT}), Policy("RL", {"aime24": RL})]


def test_solve_rates_fall():
    (axes,) = draw_rates("aime24", [BOTH]).axes
    first, second = (list(line.get_ydata()) for line in axes.get_lines())
    assert first == [1.0, 0.5, 0.25, 0.0, 0.0]  # hardest last
    assert second[:4] == [1.0, 0.75, 0.0, 0.5]


def test_a_panel_for_each_line():
    first, second = draw_rates("aime24", [BOTH, BOTH[:1]]).axes
    assert [len(axes.get_lines()) for axes in (first, second)] == [2, 1]


def bars_of(axes) -> list[tuple[str, list, list]]:
    """(colour, y, half of the bar's length) of each line with error bars."""
    found = []
    for line, _, (bars,) in axes.containers:
        halves = [(high - low) / 2 for (_, low), (_, high) in bars.get_segments()]
        found.append((line.get_color(), list(line.get_ydata()), halves))
    return found


def test_pass_at_k():
    (axes,) = draw_pass_at_k("aime24", [BOTH]).axes
    assert [list(line.get_xdata()) for line, *_ in axes.containers] == [[1, 2, 4]] * 2
    (blue, first, errors), (orange, second, _) = bars_of(axes)
    assert (blue, orange) == ("C0", "C1")
    # of a, b and d some are solved: 1, 1/2 and 1/4 by one response; 1, 5/6 and 1/2 by two; all by four
    assert first == pytest.approx([(1 + 1 / 2 + 1 / 4) / 5, (1 + 5 / 6 + 1 / 2) / 5, 3 / 5])
    assert errors[2] == pytest.approx((3 / 10) ** 0.5 / 5**0.5)  # variance of 1, 1, 1, 0, 0 is 0.3
    assert second[0] == RL.avg


def test_pass_at_k_of_lines_has_a_colour_for_each():
    one, two = BOTH
    (axes,) = draw_pass_at_k("aime24", [[one, two], [two, one]]).axes
    lines = [line for line, *_ in axes.containers]
    assert [(line.get_color(), line.get_linestyle()) for line in lines] == [
        *(("C0", "--"), ("C0", "-")),
        *(("C1", "--"), ("C1", "-")),
    ]


def test_bands():
    (axes,) = draw_bands("aime24", [BOTH]).axes
    bars = [container for container in axes.containers if len(getattr(container, "patches", []))]
    first, second = ([bar.get_height() for bar in container] for container in bars)
    # a of 4/4 is in the highest band; b of 2/4 in 20 to 40 % and in 60 to 80 %; d of 1/4 in 0 % and in 20 to 40 %
    assert first == pytest.approx([(0 + 0 + 1 / 4) / 2.25, (1 / 2) / 1.25, 0, 1])
    assert second == pytest.approx([(1 / 2 + 0) / 1.25, (1 / 2 * 3 / 4) / 1.25, 3 / 4, 1])
    shown = [label.get_text() for label in axes.get_xticklabels()]
    assert shown == ["0 %\n2", "< 20 %\n0", "20 to 40 %\n1", "40 to 60 %\n0", "60 to 80 %\n0", "≥ 80 %\n1"]


def at(name: str, **counts: int) -> Policy:
    """On AIME24 and AIME25 by one problem with so many of four correct in each, and another that is never solved."""
    results = {benchmark: result_by_counts(a=count, b=0) for benchmark, count in counts.items()}
    return Policy(name, results, name.partition("@")[0])


def lines_in(axes) -> dict[str, tuple[list, list]]:
    """{label: (x, y)} of lines, those with error bars among them."""
    handles, labels = axes.get_legend_handles_labels()
    lines = {label: getattr(handle, "lines", [handle])[0] for handle, label in zip(handles, labels, strict=True)}
    return {label: (list(line.get_xdata()), list(line.get_ydata())) for label, line in lines.items()}


def test_accuracy_by_stage_and_start():
    policies = [
        *(at("v5@sft", aime24=1, aime25=2), at("v5@math_8k", aime24=2, aime25=2)),
        *(at("v7@math_8k", aime24=3, aime25=2), at("v7@math_16k", aime24=4, aime25=4)),
    ]
    figure = draw_accuracy(policies)
    aime24, aime25, average = (lines_in(axes) for axes in figure.axes)
    assert (aime24["v5"], aime24["v7"]) == (([0, 1], [12.5, 25]), ([1, 2], [37.5, 50]))
    assert average["v5"] == ([0, 1], [(12.5 + 25) / 2, 25])
    assert aime25["paper: 1200 steps of stage 1 (Table 3)"] == ([0, 1, 2], [48.4, 44.6, 56.7])
    assert average["paper: 1200 steps of stage 1 (Table 3)"][1][0] == pytest.approx((62.0 + 48.4) / 2)
    assert average["paper: SFT-7B"][1] == pytest.approx([(62.0 + 48.4) / 2] * 2)
    assert [axes.get_title() for axes in figure.axes] == ["aime24", "aime25", "average of 2 benchmarks"]


def test_bars_are_standard_errors_over_runs():
    (axes,) = draw_accuracy([at("v7@1", aime24=2), at("v7@3", aime24=4)]).axes
    (bars,) = (container for container in axes.containers)
    low, high = bars[2][0].get_segments()[0][:, 1]
    # one problem of two has variance 1/2 * 1/2 / 3, the other none; over 2 problems
    assert (high - low) / 2 == pytest.approx(100 * (1 / 12) ** 0.5 / 2)


def test_numbers_stand_at_themselves():
    (axes,) = draw_accuracy([at("v7@200", aime24=4), at("v7@50", aime24=2), at("v7@100", aime24=3)]).axes
    assert lines_in(axes)["v7"] == ([50, 100, 200], [25, 37.5, 50])


def test_a_benchmark_that_the_paper_has_not_stands_alone():
    figure = draw_accuracy([at("v7@sft", sums=2), at("v7@math_8k", sums=3)])
    assert list(lines_in(figure.axes[0])) == ["v7"]
