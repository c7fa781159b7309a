import json

import pytest
import torch
from datasets import Dataset

from acereason.common.errors import UserError
from acereason.common.types import Sampling
from acereason.models.exports import stream_weights
from acereason.rollouts.engine import alone, numbered
from acereason.rollouts.replay import ReplayEngine
from tests.support.fakes import STOP_IDS, TOKENIZER, problem, tiny_qwen

ROWS = [{"id": "p", "sample": 0, "response": "two"}, {"id": "p", "sample": 1, "response": "zwei ü"}]


def started(path) -> ReplayEngine:
    model, engine = tiny_qwen(), ReplayEngine(str(path))
    engine.start(model.config, TOKENIZER, STOP_IDS, torch.device("cpu"), 64)
    engine.update_weights(stream_weights(model), 5)
    return engine


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_it_gives_what_the_file_holds(tmp_path, suffix):
    path = tmp_path / f"r{suffix}"
    rows = Dataset.from_list(ROWS)
    rows.to_parquet(path) if suffix == ".parquet" else rows.to_json(path)
    engine = started(path)
    (group,) = engine.generate([problem(name="p")], Sampling(), 2, seed=0)
    assert [rollout.response.text for rollout in group.rollouts] == ["two", "zwei ü"]
    assert [len(rollout.response.token_ids) for rollout in group.rollouts] == [3, 7]  # bytes
    assert group.rollouts[0].reward is None
    (one,) = engine.generate([alone(problem(name="p"), 1)], Sampling(), 1, seed=0)
    assert one.rollouts[0].response.text == "zwei ü"
    assert engine.policy_version == 5


def test_missing_ones_are_counted_and_the_first_are_named(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    problems = [problem(name="p"), *(problem(name=f"q{i}") for i in range(5))]
    with pytest.raises(UserError, match=r"no response to p sample 2, q0 sample 0, .* and 6 more"):
        list(started(path).generate(problems, Sampling(), 3, seed=0))


def test_its_identity_is_the_files(tmp_path):
    for name, text in {"a": "two", "b": "two", "c": "three"}.items():
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"id": "p", "sample": 0, "response": text}))
    a, b, c = (ReplayEngine(str(tmp_path / f"{name}.jsonl")).identity() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize(
    ("text", "message"),
    [('{"id": "p", "response": "x"}', "no column 'sample'"), ("{", "can't be read"), ("", "can't be read")],
)
def test_a_file_that_is_no_use_is_named(tmp_path, text, message):
    (tmp_path / "r.jsonl").write_text(text)
    with pytest.raises(UserError, match=message):
        started(tmp_path / "r.jsonl")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"response": None}, r"row 3: response must be a text, not None"),
        ({"response": 7}, r"row 3: response must be a text, not"),
        ({"sample": None}, r"row 3: sample must be a number, counted from 0, not None"),
        ({"sample": 0.5}, r"row 3: sample must be a number"),
        ({"sample": -1}, r"row 3: sample must be a number"),
        ({"id": None}, r"row 3: id must be a problem's, as text, not None"),
        ({"sample": 1}, r"row 3: a second response to p, sample 1; leave one"),
    ],
    ids=str,
)
def test_a_row_that_says_nothing_or_what_another_says_is_refused(tmp_path, row, told):
    """Nothing is made of it: of None the text None, of two responses the last."""
    path = tmp_path / "r.jsonl"
    path.write_text(
        "".join(json.dumps(each) + "\n" for each in [*ROWS, {"id": "p", "sample": 2, "response": "x"} | row])
    )
    with pytest.raises(UserError, match=told):
        ReplayEngine(str(path)).check([("p", 0)])


def test_what_is_missing_is_told_before_a_start(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    ReplayEngine(str(path)).check([("p", 0), ("p", 1)])
    with pytest.raises(UserError, match="no response to p sample 2; add them"):
        ReplayEngine(str(path)).check([("p", 0), ("p", 2)])


def test_no_file():
    with pytest.raises(ValueError, match="responses: no .jsonl or .parquet file nosuch.jsonl"):
        ReplayEngine("nosuch.jsonl")


@pytest.mark.parametrize("name", ["aime24/7", "odd#3", "#", "a#b#0"])
def test_a_request_knows_its_problem_and_its_number(name):
    assert numbered(alone(problem(name=name), 12).id) == (name, 12)
    assert numbered("aime24/7") == ("aime24/7", 0)
