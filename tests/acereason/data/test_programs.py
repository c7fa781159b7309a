import json
import subprocess
import sys

import pytest

from acereason.common.errors import UserError
from acereason.data.programs import Programs, solution


def passes(row: dict) -> list[bool]:
    """Whether the row's own program prints what each of its tests expects."""
    program = row["solution"].removeprefix("```python\n").removesuffix("\n```")
    tests = json.loads(row["tests"])
    runs = [
        subprocess.run([sys.executable, "-c", program], input=text, capture_output=True, text=True)
        for text in tests["inputs"]
    ]
    return [run.stdout == expected for run, expected in zip(runs, tests["outputs"], strict=True)]


def test_worked_programs_pass_their_tests():
    for row in Programs([1, 2, 3], 6).rows():
        assert passes(row) == [True] * 3, row


def test_a_mistaken_teacher_fails_them_and_the_tests_stay_right():
    right, wrong = Programs([2, 3], 4).rows(), Programs([2, 3], 4, mistakes=1.0).rows()
    assert [row["tests"] for row in right] == [row["tests"] for row in wrong]
    for row in wrong:
        assert not any(passes(row))


def test_a_share_of_mistakes():
    right = {row["id"]: row["solution"] for row in Programs([3], 1000).rows()}
    drawn = Programs([3], 1000, mistakes=0.4).rows()
    assert 0.33 < sum(row["solution"] != right[row["id"]] for row in drawn) / 1000 < 0.47


def test_the_splits_share_no_task_and_the_seed_changes_the_draw():
    train, heldout = ({row["id"] for row in Programs([2, 3], 300, split).rows()} for split in ("train", "heldout"))
    assert not train & heldout
    assert Programs([3], 10).rows() == Programs([3], 10).rows()
    assert Programs([3], 10).rows() != Programs([3], 10, seed=1).rows()


def test_statements():
    assert solution(1, -4) == "```python\nprint(int(input())-4)\n```"
    assert all(row["statement"] == f"print {row['id']}" for row in Programs([1, 2], 20).rows())


def test_mistakes_name_the_key():
    with pytest.raises(UserError, match=r"data\.sources\.x\.programs\.levels: \[7\] unknown"):
        Programs([7]).check("data.sources.x.programs")
    with pytest.raises(UserError, match="have only .* different train tasks, not 500"):
        Programs([1], 500).rows()
