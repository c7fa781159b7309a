"""The page as a reader's browser shows it."""

from importlib.util import find_spec

import pytest

from acereason.runs.report.content import Line, Plot, Plots, Report, Section
from acereason.runs.report.page import render
from acereason.runs.report.verb import report
from tests.support.browser import CHROMIUM, DRIVER, browser, requests, show
from tests.support.made_run import make_rl, make_sft

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER and find_spec("selenium")),
    reason="no chromium and chromedriver (on Debian the packages chromium and chromium-driver), or no selenium",
)
SECTIONS = [
    "health",
    "stages",
    "curves",
    "evaluations",
    "time",
    "problems",
    "filtered",
    "verdicts",
    "samples",
    "recipe",
]


@pytest.fixture(scope="module")
def driver():
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    rl, sft = str(make_rl(folder / "rl")), str(make_sft(folder / "sft"))
    report([rl], str(folder / "one"))
    report([rl, sft], str(folder / "two"))
    return folder


def script(driver, code: str):
    return driver.execute_script(f"return {code}")


def test_it_opens_from_disk_with_every_section_and_plot_no_error_and_no_request(driver, pages):
    for theme, width in (("light", 1280), ("dark", 390)):
        show(driver, pages / "one/report.html", theme, width)
        assert script(driver, "[...document.querySelectorAll('section')].map((s) => s.id)") == SECTIONS
        assert script(driver, "[...document.querySelectorAll('nav a')].map((a) => a.hash)") == [
            f"#{s}" for s in SECTIONS
        ]
        assert script(driver, "document.querySelectorAll('.plot .main-svg').length") == 3 * 14
        assert driver.get_log("browser") == []
        assert requests(driver) == set()


@pytest.mark.parametrize("name", ["one", "two"])
def test_a_phone_never_scrolls_sideways(driver, pages, name):
    show(driver, pages / f"{name}/report.html", "light", 390)
    assert script(driver, "document.documentElement.scrollWidth") == 390
    wide = "[...document.querySelectorAll('.plot svg')].filter((s) => s.getBoundingClientRect().right > 390).length"
    assert script(driver, wide) == 0


def test_plots_follow_the_readers_theme(driver, pages):
    colours = {}
    for theme in ("light", "dark"):
        show(driver, pages / "one/report.html", theme, 1280)
        ink = "getComputedStyle(document.querySelector('#plot-reward .xtick text')).fill"
        page = "getComputedStyle(document.body).backgroundColor"
        colours[theme] = (script(driver, page), script(driver, ink))
    assert colours["light"][0] == "rgb(255, 255, 255)"
    assert colours["light"][0] != colours["dark"][0]
    assert colours["light"][1] != colours["dark"][1]


def test_moments_and_classes_are_names_whatever_they_look_like(driver, tmp_path):
    places = {"moments": ["4", "end"], "classes": ["1/8", "2/8", "never"]}
    plots = [Plot(f"p-{name}", name, [Line("arm", x, [1.0] * len(x), "points")]) for name, x in places.items()]
    (tmp_path / "page.html").write_text(render(Report("A study", [], [Section("s", "S", [Plots(plots)])])))
    show(driver, tmp_path / "page.html", "light", 1280)
    ticks = "[...p.querySelectorAll('.xtick text')].map((tick) => tick.textContent)"
    shown = script(driver, f"[...document.querySelectorAll('.plot')].map((p) => {ticks})")
    assert shown == list(places.values())


def test_what_a_model_writes_stays_text(driver, pages):
    show(driver, pages / "one/report.html", "light", 1280)
    assert script(driver, "document.title") == f"{pages.name}/rl"
    assert script(driver, "document.querySelectorAll('main img').length") == 0
    response = "document.querySelectorAll('.sample pre')[1].textContent"
    assert script(driver, response).startswith("</script><script>document.title='owned'")


def test_runs_over_each_other(driver, pages):
    show(driver, pages / "two/report.html", "light", 1280)
    names = "[...document.querySelectorAll('#plot-loss .legendtext')].map((t) => t.textContent)"
    assert script(driver, names) == ["rl", "sft"]
    assert script(driver, "document.querySelectorAll('#differences tbody tr').length") > 5
