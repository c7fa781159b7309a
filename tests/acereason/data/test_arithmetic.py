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


def test_mistakes_name_the_key():
    with pytest.raises(UserError, match=r"levels: \[9\] unknown"):
        Arithmetic([9]).check("data.sources.x.arithmetic")
    with pytest.raises(UserError, match=r"only \d+ different train problems, not 1000"):
        Arithmetic([1], 1000).rows()
