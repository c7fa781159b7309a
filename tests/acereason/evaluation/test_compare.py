import json

import pytest

import run
from acereason.evaluation.compare import compared, draw_pass_at_k, draw_rates
from acereason.evaluation.measured import result_of
from acereason.evaluation.results import Result, write_results
from tests.support.evaluations import sample


def result(**correct: int) -> Result:
    """Of problems by their number of correct responses among four."""
    samples = [sample(n, k, "correct" if k < c else "wrong") for n, c in correct.items() for k in range(4)]
    return result_of(samples, 4, seed=0)


PREFER = {"rewards": {"after_think": "prefer"}}
SFT, RL = result(a=4, b=2, c=0, d=1, e=0), result(a=4, b=3, c=2, d=0, f=4)


def test_by_hand():
    found = compared("aime24", ("SFT", SFT), ("RL", RL), seed=0)
    assert found.difference.mean == pytest.approx((0 + 0.25 + 0.5 - 0.25) / 4)
    assert found.difference.low <= found.difference.mean <= found.difference.high
    assert (found.newly_solved, found.lost) == (["c"], ["d"])
    assert (found.improved, found.worsened, found.unpaired) == (2, 1, 2)


def test_the_plots_show_the_numbers():
    (axes,) = draw_rates("aime24", {"SFT": SFT, "RL": RL}).axes
    first, second = (list(line.get_ydata()) for line in axes.get_lines())
    assert first == [1.0, 0.5, 0.25, 0.0, 0.0]  # hardest last
    assert second[:4] == [1.0, 0.75, 0.0, 0.5]
    (axes,) = draw_pass_at_k("aime24", {"SFT": SFT, "RL": RL}).axes
    assert [list(line.get_xdata()) for line in axes.get_lines()] == [[1, 2, 4]] * 2
    assert list(axes.get_lines()[1].get_ydata())[0] == RL.avg


def folders(tmp_path) -> list[str]:
    for name, found in {"sft": SFT, "rl": RL, "longer": RL}.items():
        write_results(tmp_path / name, PREFER, {"aime24": found, name: found})
    return [str(tmp_path / name) for name in ("sft", "rl", "longer")]


def test_the_verb(tmp_path, capsys):
    run.main(["compare", *folders(tmp_path), "--output", str(tmp_path / "out")])
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("compare.json", "compare.md", "aime24-rates.png", "aime24-pass.png")
    }
    pairs = json.loads((tmp_path / "out/compare.json").read_text())
    assert [(pair["first"], pair["second"]) for pair in pairs] == [("sft", "rl"), ("rl", "longer")]
    assert pairs[1]["difference"]["mean"] == 0
    assert "- newly solved: c\n- lost: d" in (tmp_path / "out/compare.md").read_text()
    said = " ".join(capsys.readouterr().out.split())
    assert "aime24, sft to rl: +12.5 points" in said
    assert "1 newly solved, 1 lost" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{0}"], "name at least two folders"),
        (["{0}", "{0}"], "2 folders need as many different names"),
        (["{0}", "/nowhere"], "/nowhere: no results.json there"),
        (["{0}", "{1}", "--names=[x]"], "2 folders need as many different names, not ['x']"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, capsys, arguments, message):
    found = folders(tmp_path)
    with pytest.raises(SystemExit):
        run.main(["compare", *(argument.format(*found) for argument in arguments)])
    assert message in capsys.readouterr().err
