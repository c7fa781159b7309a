import pytest

from acereason.rewards.math import compare_exactly, gold_problem, last_boxed, verify, verify_quickly


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"so \boxed{42}.", "42"),
        (r"\boxed{1} no, \boxed{2}", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\left\{1, 2\right\}}", r"\left\{1, 2\right\}"),
        (r"\fbox{7}", "7"),
        (r"\boxed{ 7 }", "7"),
        (r"\boxed{1} and \boxed{2", None),
        (r"\boxed{" + "9" * 5000 + "}", None),
        (r"\boxed{" * 100_000, None),
        ("42", None),
        ("", None),
    ],
)
def test_last_boxed(text, expected):
    assert last_boxed(text) == expected


@pytest.mark.parametrize(
    ("response", "answer", "status"),
    [
        (r"\boxed{132}", "132", "correct"),
        (r"\boxed{1,320}", "1320", "correct"),
        (r"\boxed{0.50}", "0.5", "correct"),
        (r"\boxed{131}", "132", "wrong"),
        (r"\boxed{\frac{1}{2}}", "0.5", "correct"),
        (r"\boxed{\frac12}", r"\frac{1}{2}", "correct"),
        (r"\boxed{\frac{1}{3}}", r"\frac{1}{2}", "wrong"),
        (r"\boxed{x+1}", "1+x", "correct"),
        (r"\boxed{(3, \frac{\pi}{2})}", r"\left( 3, \frac{\pi}{2} \right)", "correct"),
        (r"\boxed{\text{Evelyn}}", r"\text{Evelyn}", "correct"),
        ("the answer is 132", "132", "wrong"),
        ("", "132", "wrong"),
        (r"<think>\boxed{1}</think> \boxed{132}", "132", "correct"),
        (r"\boxed{132}</think> I am done.", "132", "wrong"),
        (r"\boxed{132", "132", "wrong"),
        (r"\boxed{}", "132", "wrong"),
        (r"\boxed{2}", r"\frac{", "error"),
    ],
)
def test_verdicts(response, answer, status):
    verdict = verify(response, answer)
    assert verdict.status == status
    assert verdict.reward == {"correct": 1.0, "wrong": 0.0, "error": None}[status]


def test_the_verdict_says_what_was_extracted_and_how_it_was_decided():
    assert verify(r"\boxed{131}", "132").detail == {"path": "equal number", "extracted": "131"}
    assert verify(r"\boxed{x+1}", "1+x").detail == {"path": "math-verify", "extracted": "x+1"}


def test_the_quick_path_leaves_what_it_cannot_decide():
    assert verify_quickly(r"\boxed{\frac12}", "0.5") is None
    assert verify_quickly(r"\boxed{12}", "12").status == "correct"
    assert verify_quickly("12", "12").status == "wrong"


@pytest.mark.parametrize(("left", "right"), [("1_000", "1000"), ("１２", "12"), ("1e3", "1000"), ("12 cm", "12")])
def test_only_plain_numbers_are_compared_as_numbers(left, right):
    assert compare_exactly(left, right) is None


@pytest.mark.parametrize(
    ("answer", "problem"),
    [("132", None), (r"\frac{1}{2}", None), (r"\text{Evelyn}", None), ("", "no answer"), (r"\frac{1}{", "unparsable")],
)
def test_gold_problem(answer, problem):
    found = gold_problem(answer)
    assert (found is None) if problem is None else (problem in found)
