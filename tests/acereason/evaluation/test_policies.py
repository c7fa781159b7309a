from math import sqrt

import pytest

from acereason.common.errors import UserError
from acereason.evaluation.policies import AVERAGE, Policy, columns, ends_of, lines_of, read_policies, score
from acereason.evaluation.results import write_results
from tests.support.evaluations import PREFER, result_by_counts


@pytest.fixture
def folders(tmp_path):
    """Make folders of results by their paths; the last one lacks a benchmark."""

    def make(*paths: str) -> list[str]:
        for path in paths:
            results = {name: result_by_counts(a=1, b=3) for name in ("sums", "code", path)}
            write_results(tmp_path / path, PREFER, results)
        return [str(tmp_path / path) for path in paths]

    return make


def names(policies: list[Policy]) -> list[tuple[str, str, str]]:
    return [(policy.name, policy.line, policy.moment) for policy in policies]


def test_folders_of_different_names_are_on_one_line(folders):
    assert names(read_policies(folders("v7/sft", "v7/rl"))) == [("sft", "", "sft"), ("rl", "", "rl")]


def test_folders_of_folders_are_points_on_lines(folders):
    found = read_policies(folders("v5/sft", "v5/rl", "v7/sft"))
    assert names(found) == [("v5@sft", "v5", "sft"), ("v5@rl", "v5", "rl"), ("v7@sft", "v7", "sft")]
    assert {name: [policy.moment for policy in line] for name, line in lines_of(found).items()} == {
        "v5": ["sft", "rl"],
        "v7": ["sft"],
    }


def test_folders_of_one_name_have_their_whole_paths(folders):
    both = folders("v5/eval", "v7/eval")
    assert names(read_policies(both)) == [(path, "", path) for path in both]


def test_names_are_all_points_or_none(folders):
    two = folders("a", "b")
    assert names(read_policies(two, ["u@x", "v@y"])) == [("u@x", "u", "x"), ("v@y", "v", "y")]
    assert names(read_policies(two, ["base", "avg@8"])) == [("base", "", "base"), ("avg@8", "", "avg@8")]


def test_the_benchmarks_are_those_that_all_have(folders):
    two = folders("a", "b")
    assert list(read_policies(two)[0].results) == ["sums", "code"]
    assert list(read_policies(two, benchmarks=["code"])[0].results) == ["code"]
    with pytest.raises(UserError, match="not all folders have b; there are sums, code"):
        read_policies(two, benchmarks=["b"])


def policy(name: str) -> Policy:
    return Policy(name, {}, name.partition("@")[0])


def test_of_several_lines_the_ends_are_shown():
    a, b, c, d = (policy(name) for name in ("u@x", "u@y", "u@z", "v@x"))
    assert ends_of({"u": [a, b, c], "v": [d]}) == [[a, c], [d]]
    assert ends_of({"u": [a, b, c]}) == [[a, b, c]]
    assert ends_of({"u": [a], "v": [d]}) == [[a, d]]


def test_the_average_by_hand():
    # rates 1/4 and 3/4: each has variance 3/16 / 3 over runs; over problems they differ by 1/2
    one = Policy("p", {"sums": result_by_counts(a=1, b=3), "code": result_by_counts(a=4, b=4)})
    sums, mean = score(one, "sums"), score(one, AVERAGE)
    assert (sums.percent, mean.percent) == (50, 75)
    assert sums.stderr_runs == pytest.approx(100 * sqrt(1 / 16 + 1 / 16) / 2)
    assert sums.stderr_problems == pytest.approx(100 * sqrt(1 / 8) / sqrt(2))
    assert mean.stderr_runs == pytest.approx(sums.stderr_runs / 2)  # the other one has none
    assert columns([one]) == ["sums", "code", AVERAGE]


def test_of_one_sample_there_is_no_error_over_runs():
    one = Policy("p", {"sums": result_by_counts(1, a=1, b=0)})
    assert score(one, "sums").stderr_runs is None
    assert columns([one]) == ["sums"]
