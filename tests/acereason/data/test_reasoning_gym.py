"""Problems that reasoning-gym makes up, as a source."""

import json
from importlib.util import find_spec

import pytest

from acereason.common.errors import UserError
from acereason.curation.sources import CuratedSource
from acereason.data.bad_rows import BadRow
from acereason.data.loading import read_problems
from acereason.data.problems import Source
from acereason.data.reasoning_gym import ReasoningGym
from acereason.rewards.gym import library

KEY = "data.sources.chains"
needs_library = pytest.mark.skipif(
    find_spec("reasoning_gym") is None, reason="reasoning-gym is not installed; pip install acereason[reasoning-gym]"
)


def source(**values: object) -> Source:
    given = {"dataset": "chain_sum", "size": 4, "seed": 1} | values
    return Source(reasoning_gym=ReasoningGym(**given), task="reasoning-gym")


@needs_library
def test_problems_are_a_function_of_the_settings():
    first, bad = read_problems(source(), "chains", KEY, tests=False)
    assert bad == {}
    assert [problem.id for problem in first] == [f"chains/chain_sum-1-{index}" for index in range(4)]
    assert {problem.task for problem in first} == {"reasoning-gym"}
    # by hand, of release 0.1.25
    assert first[0].statement == "State the final answer to the following arithmetic problem: 4 - 1 - 7 ="
    assert json.loads(first[0].answer)["entry"]["answer"] == "-4"
    again, _ = read_problems(source(size=6), "chains", KEY, tests=False)
    assert again[:4] == first
    other, _ = read_problems(source(seed=9), "chains", KEY, tests=False)
    assert {problem.id for problem in other}.isdisjoint(problem.id for problem in first)
    short, _ = read_problems(source(config={"min_terms": 2, "max_terms": 2}), "chains", KEY, tests=False)
    assert all(json.loads(problem.answer)["entry"]["metadata"]["num_terms"] == 2 for problem in short)


@needs_library
@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"size": 0}, r"\.size: must be at least 1, not 0"),
        ({"dataset": "chain_sums"}, r"\.dataset: reasoning-gym has no 'chain_sums'; near it are chain_sum, "),
        ({"dataset": "qqq"}, r"\.dataset: reasoning-gym has no 'qqq'; near it are "),
        ({"config": {"seed": 1}}, r"\.config: seed stands beside config, not in it"),
        ({"config": {"min_term": 1}}, r"\.config: chain_sum refuses it: .*unexpected keyword argument 'min_term'"),
        ({"config": {"min_terms": 0}}, r"\.config: chain_sum refuses it: min_terms must be positive"),
    ],
)
def test_what_cannot_work_is_told_in_one_line(values, told):
    with pytest.raises(UserError, match=rf"^data\.sources\.chains\.reasoning_gym{told}") as error:
        source(**values).check(KEY)
    assert "\n" not in str(error.value)


def test_the_task_goes_with_the_source():
    with pytest.raises(UserError, match=r"^data\.sources\.chains\.task: must be reasoning-gym for reasoning_gym"):
        Source(reasoning_gym=ReasoningGym("chain_sum")).check(KEY)


def test_a_missing_library_is_told(monkeypatch):
    monkeypatch.setattr(library.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"reasoning_gym: reasoning-gym is not installed; pip install acereason\[reas"):
        source().check(KEY)


def test_curate_takes_none_of_them():
    row = {"problem": "2 + 3", "answer": "{}"}
    with pytest.raises(BadRow, match="curate takes no problems of reasoning-gym; name its source where it is trained"):
        CuratedSource(path="x.jsonl", task="reasoning-gym").problem(row, 0, "mine")
    assert CuratedSource(path="x.jsonl").problem(row, 0, "mine").task == "math"
