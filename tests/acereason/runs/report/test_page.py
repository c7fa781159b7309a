import json
import re

from acereason.runs.report.content import Line, Plot
from acereason.runs.report.figures import figure
from acereason.runs.report.page import render
from acereason.runs.report.reading import read_run
from acereason.runs.report.sections import report_of
from tests.support.made_run import make_rl, make_sft


def test_the_page_has_everything_inside_once(tmp_path):
    page = render(report_of([read_run(make_rl(tmp_path / "rl"), "rl")]))
    assert page.count("plotly.js v") == 1
    head = page.split("<main>")[0]
    assert re.findall(r"<(?:script|link|img|iframe)[^>]*>", head) == ['<link rel="icon" href="data:,">']
    assert "onerror=" not in re.sub(r"&lt;img src=x onerror=", "", page.split("<script>")[0])


def test_the_figures_are_json_without_an_end_of_script(tmp_path):
    page = render(report_of([read_run(make_sft(tmp_path / "sft"), "sft")]))
    (text,) = re.findall(r"^const figures = (.*);$", page, re.MULTILINE)
    assert [entry["id"] for entry in json.loads(text)] == [
        "entropy",
        "loss",
        "grad_norm",
        "eval-heldout-loss",
        "time-0",
    ]
    assert "<" not in text


def test_the_same_run_gives_the_same_bytes(tmp_path):
    folder = make_rl(tmp_path / "rl")
    first, second = (render(report_of([read_run(folder, "rl")])) for _ in range(2))
    assert first == second


def test_a_logarithmic_axis_has_few_and_plain_ticks():
    made = figure(Plot("g", "G", [Line("g", [0, 1, 2], [0.08, 0.5, 3.6])], log=True))
    assert made["layout"]["yaxis"]["ticktext"][:6] == ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5"]


def test_points_keep_their_errors_and_values_five_digits():
    plot = Plot("e", "E", [Line("e", [0, 1], [0.123456789, 0.5], "points", 0, [0.1, 0.2])], percent=True)
    (trace,) = figure(plot)["data"]
    assert (trace["y"], trace["error_y"]["array"]) == ([0.12346, 0.5], [0.1, 0.2])
