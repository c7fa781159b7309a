import pytest

from acereason.curation.agreement import outvoted, voted, votes
from tests.support.curations import curated, dropped, rows_of, write_rows, write_shards

C, W, E = "correct", "wrong", "error"
HAND_COMPUTED = [
    # statuses, answers of the wrong ones, (correct votes, votes of another answer) if dropped
    ([C, C, C, W], ["7"], None),
    ([C, W, W, W], ["7", "7", "8"], (1, 2)),
    ([C, W, W, W], ["7", "8", "9"], (1, 1)),  # four answers with a vote each
    ([C, C, W, W, W], ["7", "8", "9"], None),  # two of five are the most
    ([C, C, W, W], ["7", "7"], (2, 2)),  # a tie
    ([W, W], ["7", "8"], (0, 1)),
    ([W, W], [None, None], (0, 0)),  # nobody answers
    ([C, W, W], [None, None], None),  # no box is no vote
    ([C, E, E, E], [], None),  # a verifier's failure is no vote against
    ([E, E], [], (0, 0)),
]


@pytest.mark.parametrize(("statuses", "wrong", "votes"), HAND_COMPUTED)
def test_the_commonest_answer(statuses, wrong, votes):
    answers = iter(wrong)
    found = outvoted([5] * len(statuses), statuses, [next(answers) if status == W else None for status in statuses])
    assert [(entry.number, entry.evidence["correct"], entry.evidence["another answer"]) for entry in found] == (
        [(5, *votes)] if votes else []
    )


def test_each_prompt_has_its_own_vote():
    found = outvoted([1, 2, 1, 2, 2], [C, W, C, C, W], [None, "7", None, None, "7"])
    assert [entry.number for entry in found] == [2]


def test_what_a_response_votes_for():
    given = [r"<think>\boxed{1}</think> It is $\boxed{2}$.", "3", r"\boxed{}", rf"\boxed{{{'1' * 2001}}}"]
    assert [voted(text) for text in given] == ["2", None, None, None]


def test_one_answer_in_several_writings():
    assert votes([r"\frac12", "3", r"\dfrac{1}{2}", "0.5", "9/3", "x"]) == [3, 2, 1]


def test_of_a_curation(tmp_path):
    source = write_rows(
        tmp_path / "m.jsonl", [{"problem": f"What is {n} + {n}?", "answer": str(2 * n)} for n in (1, 2)]
    )
    code = [{"question": "Print one.", "input_output": '{"inputs": ["1"], "outputs": ["1"]}', "starter_code": ""}]
    sources = {"m": source, "c": write_rows(tmp_path / "c.jsonl", code) | {"fields": "taco", "task": "code"}}
    boxes = {"m/0": ["2", "2.0", "3", "5"], "m/1": ["3", "4", "9/3", "3"], "c/0": ["1", "1"]}
    rows = [
        {"id": name, "sample": k, "response": rf"\boxed{{{box}}}", "status": None if name[0] == "m" else W}
        for name, given in boxes.items()
        for k, box in enumerate(given)
    ]
    output = curated(
        tmp_path, sources=sources, responses={"path": write_shards(tmp_path / "shards", rows)},
        verify={"keep": ["correct", "wrong"], "majority": True},
    )  # fmt: skip
    assert dropped(output, "verify") == {"m/1": ("majority is not correct", {"correct": 1, "another answer": 3})}
    assert {row["id"] for row in rows_of(output, "all")} == {"m/0", "c/0"}  # a program has no answer to vote for
