from dataclasses import replace
from math import inf

import pytest

from acereason.rollouts.parts import in_parts, longest_first
from tests.support.fakes import problem


def named(parts) -> list[str]:
    return ["".join(each.id for each in part) for part in parts]


def test_the_longest_begin_and_an_unknown_one_counts_as_the_longest():
    problems = [problem(name=name) for name in "abcd"]
    assert longest_first(problems, None) == (problems, [1.0] * 4)
    assert longest_first(problems, [inf] * 4) == (problems, [1.0] * 4)
    ordered, lengths = longest_first(problems, [2.0, inf, 9.0, 5.0])
    assert (named([ordered]), lengths) == (["bcda"], [9.0, 9.0, 5.0, 2.0])


@pytest.mark.parametrize(
    ("lengths", "at_once", "ranks", "expected"),
    [
        ([1] * 6, 6, 1, ["abcdef"]),
        ([1] * 6, 3, 2, ["ace", "bdf"]),  # all begin at once, as many on each rank
        ([9, 3, 2, 2, 1, 1], 6, 2, ["a", "bcdef"]),  # 9 tokens each
        ([9, 3, 2, 2, 1, 1], 4, 2, ["af", "bcde"]),  # not five at once
        ([1] * 6, 2, 2, ["ab", "cd", "ef"]),
        ([9, 8, 1, 1, 1, 1], 2, 2, ["a", "bc", "de", "f"]),  # 9 + 8 is more than a rank's share, 10.5
        ([9, 1, 1, 1, 1, 1], 2, 2, ["a", "bc", "de", "f"]),
        ([1], 4, 2, ["a", ""]),
        ([], 4, 2, ["", ""]),
    ],
)
def test_parts(lengths, at_once, ranks, expected):
    problems = [problem(name=name) for name in "abcdef"[: len(lengths)]]
    assert named(in_parts(problems, lengths, at_once, ranks)) == expected


def test_of_like_lengths_prompts_of_one_length_go_together():
    problems = [
        replace(problem(name=name), prompt_ids=[1] * size) for name, size in zip("abcd", (7, 2, 7, 2), strict=True)
    ]
    assert named(in_parts(problems, [1.0] * 4, 2, 1)) == ["bd", "ac"]
