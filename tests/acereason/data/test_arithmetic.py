import hashlib
import json
from statistics import fmean

import pytest

from acereason.common.errors import UserError
from acereason.data.arithmetic import Arithmetic, solution
from acereason.rewards.math.verdict import verify

LEVELS = [1, 2, 3, 4]


def statements(split: str, seed: int) -> set[str]:
    size = {"train": 1500, "heldout": 300}[split]
    return {row["statement"] for row in Arithmetic(LEVELS, size, split, seed=seed).rows()}


def test_train_and_heldout_never_share_a_problem():
    train = statements("train", 0) | statements("train", 1) | statements("train", 2)
    heldout = statements("heldout", 0) | statements("heldout", 1)
    assert len(train) > 2000
    assert len(heldout) > 400
    assert not train & heldout


def test_every_solution_ends_in_the_right_box():
    for row in Arithmetic(LEVELS, 500).rows():
        assert str(eval(row["statement"])) == row["answer"]
        assert verify(row["solution"], row["answer"]).status == "correct"


def test_every_worked_step_is_true():
    for row in Arithmetic(LEVELS, 200).rows():
        for step in row["solution"].split("\n")[0].split(","):
            left, right = step.split("=")
            assert eval(left) == int(right)


def test_the_imperfect_teacher_errs_in_its_share_of_solutions():
    rows = Arithmetic(LEVELS, 1000, mistakes=0.6).rows()
    wrong = sum(verify(row["solution"], row["answer"]).status == "wrong" for row in rows)
    assert wrong / len(rows) == pytest.approx(0.6, abs=0.06)


def test_one_slip_by_hand():
    assert solution([47, 85]) == "7+5=12,4+8=12,120+12=132\n\\boxed{132}"
    assert solution([47, 85], slip=1) == "7+5=13,4+8=12,120+13=133\n\\boxed{133}"
    assert solution([7, 5]) == "7+5=12\n\\boxed{12}"
    assert solution([347, 5]) == "7+5=12,340+12=352\n\\boxed{352}"


def test_the_same_seed_gives_the_same_problems():
    assert Arithmetic(LEVELS, 50).rows() == Arithmetic(LEVELS, 50).rows()
    assert Arithmetic(LEVELS, 50).rows() != Arithmetic(LEVELS, 50, seed=1).rows()


# digests of JSON rows before there were verbosity, samples and level 5: the quickstart's problems and solutions
QUICKSTART = {
    "3dd6454b1c07d5dd": Arithmetic(LEVELS, 6400, mistakes=0.6),
    "df81a2402af0f6db": Arithmetic([1, 2, 3], 600, seed=1),
    "04355327c56c13ab": Arithmetic([2, 3, 4], 1200, seed=2),
    "d5e4e5281fa6a8c7": Arithmetic([3, 4], 256, seed=3),
    "8a6d93157b93097f": Arithmetic(LEVELS, 200, "heldout"),
}


@pytest.mark.parametrize(("digest", "generator"), QUICKSTART.items(), ids=[*QUICKSTART])
def test_the_rows_of_the_quickstart_stay_as_they_were(digest, generator):
    assert hashlib.sha256(json.dumps(generator.rows()).encode()).hexdigest()[:16] == digest


def test_the_hardest_level_by_hand():
    assert solution([347, 285]) == "7+5=12,34+28=62,620+12=632\n\\boxed{632}"
    (row,) = Arithmetic([5], 1).rows()
    assert [len(term) for term in row["statement"].split("+")] == [3, 3]


def steps_of(row: dict) -> list[str]:
    return row["solution"].split("\n")[0].split(",")


def test_redundant_steps_are_right_and_as_many_as_asked_for():
    plain, wordy = Arithmetic([3, 4, 5], 1000).rows(), Arithmetic([3, 4, 5], 1000, verbosity=0.5).rows()
    assert [row["id"] for row in plain] == [row["id"] for row in wordy]
    assert all(len(steps_of(row)) == 3 for row in plain)
    assert fmean(len(steps_of(row)) for row in wordy) == pytest.approx(4.5, abs=0.1)
    for row in wordy[:100]:
        assert row["solution"].endswith(f"\\boxed{{{row['answer']}}}")
        assert all(eval(step.replace("=", "==")) for step in steps_of(row))


def test_every_step_twice():
    for plain, wordy in zip(Arithmetic([3], 50).rows(), Arithmetic([3], 50, verbosity=1.0).rows(), strict=True):
        units, tens, both = steps_of(plain)
        assert steps_of(wordy)[::2] == [units, tens, both]
        assert [sorted(step.split("=")[0].split("+")) for step in steps_of(wordy)[1::2]] == [
            sorted(step.split("=")[0].split("+")) for step in (units, tens, both)
        ]


def test_samples_are_different_right_solutions_of_the_same_problems():
    one, four = Arithmetic([3, 4, 5], 200).rows(), Arithmetic([3, 4, 5], 200, samples=4).rows()
    assert four[::4] == one
    assert len({row["id"] for row in four}) == 800
    for first in range(0, 800, 4):
        group = four[first : first + 4]
        assert {row["statement"] for row in group} == {group[0]["statement"]}
        assert len({row["solution"] for row in group}) == 4
        assert all(row["solution"].endswith(f"\\boxed{{{row['answer']}}}") for row in group)
        assert all(eval(step.replace("=", "==")) for row in group for step in steps_of(row))


def test_an_imperfect_teacher_errs_in_each_sample_by_itself():
    rows = Arithmetic([4], 1000, mistakes=0.3, samples=2).rows()
    wrong = [str(row["answer"]) not in row["solution"].split("boxed")[1] for row in rows]
    assert fmean(wrong[::2]) == pytest.approx(0.3, abs=0.05)
    assert fmean(wrong[1::2]) == pytest.approx(0.3, abs=0.05)
    assert fmean(a and b for a, b in zip(wrong[::2], wrong[1::2], strict=True)) == pytest.approx(0.09, abs=0.03)


def test_mistakes_name_the_key():
    with pytest.raises(UserError, match=r"levels: \[9\] unknown"):
        Arithmetic([9]).check("data.sources.x.arithmetic")
    with pytest.raises(UserError, match=r"x\.verbosity: 1\.5 is no share"):
        Arithmetic([3], verbosity=1.5).check("x")
    with pytest.raises(UserError, match=r"x\.samples: 2 solutions, where each of levels \[2, 3\] has 1 to 1"):
        Arithmetic([2, 3], samples=2).check("x")
    with pytest.raises(UserError, match=r"only \d+ different train problems, not 1000"):
        Arithmetic([1], 1000).rows()
