import json
from pathlib import Path

import pytest

from acereason.common.errors import UserError
from acereason.verbs.studies.measures import Measure, check_measures, curves_of, moments_of, read_values
from acereason.verbs.studies.plan import END, Cell, Job, StudyStep

STEP = StudyStep("rl", "fit", "a.yaml")


@pytest.fixture
def cells(tmp_path) -> dict[Cell, Job]:
    """One run of two stages, of three steps and of two; an evaluation before them and at the end of each."""
    rows = [
        {"step": step, "policy/loss": 0.0, "stage/index": float(step > 2), "policy/entropy": 10.0 * step}
        for step in range(5)
    ]
    rows += [{"step": step, "eval/sums/avg": value} for step, value in ((0, 0.25), (3, 0.5), (5, 0.75))]
    job = Job("rl-1", STEP, (), ())
    folder = tmp_path / "runs" / job.id
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    stages = {"init_args": {"stages": {"short": {}, "long": {}}}}
    (folder / "config.yaml").write_text(json.dumps({"model": {}, "data": stages}))
    return {Cell("a", 7, "rl", END): job}


def values(cells: dict[Cell, Job], folder: Path, **settings) -> dict[str, float]:
    found = read_values("m", Measure("rl", **settings), cells, folder)
    return {moment: by_arm["a"][7] for moment, by_arm in found.items()}


def test_moments_of_updates(cells, tmp_path):
    found = values(cells, tmp_path, value="policy/entropy", at=[1, "short", "long", "end"])
    assert found == {"1": 10.0, "short": 20.0, "long": 40.0, "end": 40.0}
    assert values(cells, tmp_path, value="policy/entropy", at=["end"], over=3) == {"end": 30.0}  # of 20, 30 and 40


def test_moments_of_evaluations_in_percent(cells, tmp_path):
    found = values(cells, tmp_path, value="eval/sums/avg", at=[0, 2, "short", "end"])
    # an evaluation is logged at the number of updates before it: 3 at the end of the first stage
    assert found == {"0": 25.0, "2": 25.0, "short": 50.0, "end": 75.0}


def test_whole_curves(cells, tmp_path):
    assert curves_of(Measure("rl", "eval/sums/avg"), cells, tmp_path) == {"a": [[(0, 25.0), (3, 50.0), (5, 75.0)]]}


def test_moments_are_known_before_a_run_but_those_of_each_k():
    test = StudyStep("test", "test", "a.yaml", each={"sft": [], "rl": []})
    assert moments_of(Measure("rl", "policy/entropy", at=[1, "short"]), [STEP, test]) == ["1", "short"]
    assert moments_of(Measure("test", "avg", "sums"), [STEP, test]) == ["sft", "rl"]
    assert moments_of(Measure("rl", "avg", "sums"), [StudyStep("rl", "test", "a.yaml")]) == [END]
    assert moments_of(Measure("test", "pass_at_k", "sums"), [STEP, test]) is None


def test_mistakes_name_the_measure(cells, tmp_path):
    with pytest.raises(UserError, match=r"measures\.m\.at: rl-1 has no stage shorter; there are short, long"):
        values(cells, tmp_path, value="policy/entropy", at=["shorter"])
    with pytest.raises(UserError, match=r"measures\.m\.at: policy/entropy has no value at step -1 or before"):
        values(cells, tmp_path, value="policy/entropy", at=[-1])
    with pytest.raises(UserError, match=r"measures\.m\.over: 0 values have no mean"):
        check_measures({"m": Measure("rl", "policy/entropy", over=0)}, [STEP])
