import pytest

from acereason.runs.report.plots import constants, curve_plots, evaluation_plots, overview, smooth, time_plots
from acereason.runs.report.reading import read_run, read_runs
from tests.support.made_run import make_rl, make_sft


def test_a_run_has_its_curves_with_stages_and_band(tmp_path):
    run = read_run(make_rl(tmp_path / "rl"), "rl")
    plots = {plot.id: plot for plot in curve_plots([run], (0.15, 0.45))}
    assert [*plots] == [
        "reward",
        "entropy",
        "length",
        "truncated",
        "zero_variance",
        "loss",
        "lr",
        "grad_norm",
        "gap",
        "throughput",
    ]
    assert plots["entropy"].band == (0.15, 0.45)
    assert plots["reward"].band is None
    assert plots["reward"].spans == [("1", 0, 6), ("2", 6, 12)]
    assert constants([run]) == ["Sampling temperature: 0.85 throughout."]
    budget = plots["length"].lines[-1]
    assert (budget.x, budget.y) == ([0, 6, 6, 12], [24, 24, 8192, 8192])


def test_runs_over_each_other_are_named_and_have_colours_of_their_own(tmp_path):
    runs = read_runs(
        [str(make_rl(tmp_path / "a")), str(make_rl(tmp_path / "b", steps=8)), str(make_sft(tmp_path / "c"))]
    )
    reward, *_ = curve_plots(runs, None)
    assert {(line.name, line.colour) for line in reward.lines} == {("a", 0), ("b", 1)}
    assert reward.spans == []
    loss = next(plot for plot in curve_plots(runs, None) if plot.id == "loss")
    assert {line.name for line in loss.lines} == {"a", "b", "c"}


def test_evaluations_have_standard_errors(tmp_path):
    (plot,) = evaluation_plots([read_run(make_rl(tmp_path / "rl"), "rl")])
    (line,) = plot.lines
    assert (line.x, line.y, line.error) == ([0, 6, 12], [0.25, 0.5, 0.75], [0.1, 0.1, 0.1])
    (plot,) = evaluation_plots([read_run(make_sft(tmp_path / "sft"), "sft")])
    assert (plot.title, plot.lines[0].y, plot.lines[0].error) == ("heldout: loss", [3.0, 1.5], None)


def test_shares_of_time_are_of_what_is_measured(tmp_path):
    (plot,) = time_plots([read_run(make_rl(tmp_path / "rl"), "rl")])
    assert {line.name: line.y[0] for line in plot.lines} == pytest.approx(
        {"rollout": 0.5, "reward": 0.1, "train": 0.3, "sync": 0.1}
    )
    (plot,) = time_plots([read_run(make_sft(tmp_path / "sft"), "sft")])
    assert {line.name: line.y for line in plot.lines} == {"train": [1.0] * 4}


def test_smoothing_looks_back():
    assert smooth([(n, float(n)) for n in range(10)])[-1] == (9, 7.0)  # of 5, 6, 7, 8 and 9
    assert smooth([(n, float(n == 0)) for n in range(1000)])[20] == (20, 0.0)


def test_a_run_is_watched_by_few_plots_and_its_evaluations(tmp_path):
    plots = overview(read_run(make_rl(tmp_path / "rl"), "rl"))
    assert [plot.id for plot in plots] == ["reward", "entropy", "length", "truncated", "eval-heldout-avg"]
    plots = overview(read_run(make_sft(tmp_path / "sft"), "sft"))
    assert [plot.id for plot in plots] == ["entropy", "loss", "eval-heldout-loss"]
