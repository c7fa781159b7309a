import json

import pytest

import run
from acereason.evaluation.compare import compared, pairs_of
from acereason.evaluation.policies import Policy
from acereason.evaluation.results import write_results
from tests.support.evaluations import PREFER, result_by_counts

SFT, RL = result_by_counts(a=4, b=2, c=0, d=1, e=0), result_by_counts(a=4, b=3, c=2, d=0, f=4)


def test_by_hand():
    found = compared("aime24", Policy("SFT", {"aime24": SFT}), Policy("RL", {"aime24": RL}), seed=0)
    assert found.difference.mean == pytest.approx((0 + 0.25 + 0.5 - 0.25) / 4)
    assert found.difference.low <= found.difference.mean <= found.difference.high
    assert (found.newly_solved, found.lost) == (["c"], ["d"])
    assert (found.improved, found.worsened, found.unpaired) == (2, 1, 2)


def test_what_is_compared():
    def named(pairs) -> list[str]:
        return [f"{first.name} {second.name}" for first, second in pairs]

    assert named(pairs_of([Policy(name, {}) for name in ("a", "b", "c")])) == ["a b", "b c"]
    policies = [Policy(f"{line}@{moment}", {}, line) for line, moment in ("ux", "uy", "vx", "vz", "wx")]
    assert named(pairs_of(policies)) == ["u@x u@y", "v@x v@z", "u@x v@x", "v@x w@x"]


def folders(tmp_path) -> list[str]:
    for name, found in {"sft": SFT, "rl": RL, "longer": RL}.items():
        write_results(tmp_path / name, PREFER, {"aime24": found, name: found})
    return [str(tmp_path / name) for name in ("sft", "rl", "longer")]


def test_the_verb(tmp_path, capsys):
    run.main(["compare", *folders(tmp_path), "--output", str(tmp_path / "out")])
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("compare.json", "compare.md", "accuracy.csv", "accuracy.png"),
        *("aime24-rates.png", "aime24-bands.png", "aime24-pass.png"),
    }
    pairs = json.loads((tmp_path / "out/compare.json").read_text())
    assert [(pair["first"], pair["second"]) for pair in pairs] == [("sft", "rl"), ("rl", "longer")]
    assert pairs[1]["difference"]["mean"] == 0
    page = (tmp_path / "out/compare.md").read_text()
    assert "- newly solved: c\n- lost: d" in page
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        *("## Accuracy", "## Differences", "## aime24: pass@k", "## aime24: by the solve rate of sft"),
        *("## aime24: sft to rl", "## aime24: rl to longer"),
    ]
    said = " ".join(capsys.readouterr().out.split())
    assert "aime24, sft to rl: +12.5 points" in said
    assert "1 newly solved, 1 lost" in said


def test_points_on_lines(tmp_path, capsys):
    folders(tmp_path)
    made = [str(tmp_path / name) for name in ("sft", "rl", "sft", "longer")]
    names = '["v5@sft","v5@rl","[v7]@sft","[v7]@rl"]'
    run.main(["compare", *made, f"--names={names}", f"--output={tmp_path / 'out'}"])
    pairs = json.loads((tmp_path / "out/compare.json").read_text())
    assert [(pair["first"], pair["second"]) for pair in pairs] == [
        *(("v5@sft", "v5@rl"), ("[v7]@sft", "[v7]@rl")),
        *(("v5@sft", "[v7]@sft"), ("v5@rl", "[v7]@rl")),
    ]
    said = capsys.readouterr().out
    assert "[v7]@rl" in said  # not taken for rich's markup
    assert "newly solved" not in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{0}"], "name at least two folders"),
        (["{0}", "{0}"], "2 folders need as many different names"),
        (["{0}", "/nowhere"], "/nowhere: no results.json there"),
        (["{0}", "{1}", "--names=[x]"], "2 folders need as many different names, not ['x']"),
        (["{0}", "{1}", "--benchmarks=[aime42]"], "benchmarks: not all folders have aime42; did you mean aime24?"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, capsys, arguments, message):
    found = folders(tmp_path)
    with pytest.raises(SystemExit):
        run.main(["compare", *(argument.format(*found) for argument in arguments)])
    assert message in capsys.readouterr().err
