"""Problems that reasoning-gym makes up, as a source."""

import json
import random
from importlib.util import find_spec

import numpy as np
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
    settings = {"size": 6, "config": {"max_terms": 2}}
    short, _ = read_problems(source(**settings), "chains", KEY, tests=False)
    assert [problem.id for problem in short[:4]] == [problem.id for problem in first]
    assert all(json.loads(problem.answer)["entry"]["metadata"]["num_terms"] == 2 for problem in short)


@needs_library
@pytest.mark.slow
@pytest.mark.parametrize(
    "dataset",
    [
        *("isomorphic_strings", "knight_swap", "list_functions", "polynomial_multiplication"),
        *("pool_matrix", "ransom_note", "word_ladder", "zebra_puzzles"),
    ],
)
def test_data_sets_that_draw_from_sets_or_global_generators(dataset):
    """The same entries whatever this process's hashes and generators are."""
    random.seed(1)
    state = np.random.get_state()[1].tolist()
    first = library.entries(dataset, {}, 6, 0)
    random.seed(2)
    assert library.entries(dataset, {}, 6, 0) == first
    assert library.entries(dataset, {}, 4, 0) == first[:4]
    assert np.random.get_state()[1].tolist() == state


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
