from acereason.runs.report.content import Line, Plot
from acereason.runs.report.markdown import markdown, write_markdown
from acereason.runs.report.pictures import picture
from acereason.runs.report.reading import read_run
from acereason.runs.report.sections import report_of
from tests.support.made_run import make_rl


def test_the_markdown_says_what_the_page_says_with_pictures_beside_it(tmp_path):
    report = report_of([read_run(make_rl(tmp_path / "rl"), "rl")])
    write_markdown(report, tmp_path / "out")
    text = (tmp_path / "out/report.md").read_text()
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == [s.title for s in report.sections]
    pictures = {path.name for path in (tmp_path / "out").glob("*.png")}
    assert pictures == {"curves.png", "evaluations.png", "problems.png", "time.png"}
    assert all(f"]({name})" in text for name in pictures)
    assert "- **truncated** (math_24 at step 3 and code_32 at step 9): 50% reach their budget. Try `mask`" in text
    assert "| math\\_24 | 6 | 1 min | 6,000 |" in text


def test_what_a_model_writes_breaks_neither_a_table_nor_a_fence(tmp_path):
    run = read_run(make_rl(tmp_path / "rl"), "rl")
    run.samples = [run.samples[0] | {"response": "```\n</details>\n````"}]
    text = markdown(report_of([run]))
    assert "`````\n```\n</details>\n````\n`````" in text
    rows = [line for line in text.splitlines() if line.startswith("| \\</script\\>")]
    assert [row.replace("\\|", "").count("|") for row in rows] == [7, 7]  # of the hardest and of the easiest


def test_a_picture_has_a_panel_for_each_plot():
    lines = [Line("a", [0, 1], [0.5, 0.7], "points", 0, [0.1, 0.1]), Line("b", [0, 1], [0.1, 0.2], "faint")]
    figure = picture([Plot("a", "A", lines, percent=True, spans=[("1", 0, 2)]), Plot("b", "B", lines[1:], log=True)])
    assert [axes.get_title() for axes in figure.axes] == ["A", "B"]
    assert [axes.get_yscale() for axes in figure.axes] == ["linear", "log"]


def test_zeros_have_no_logarithm():
    (axes,) = picture([Plot("a", "A", [Line("a", [0, 1], [0.0, 0.0])], log=True)]).axes
    assert axes.get_yscale() == "linear"
