import random
import time
from fractions import Fraction

import pytest

from acereason.common.types import Verdict
from acereason.curation.agreement import _COMPARISON
from acereason.rewards.math.compare import Comparison
from acereason.rewards.math.exact import as_latex, equal_numbers, number
from acereason.rewards.math.settings import MathSettings
from acereason.rewards.math.symbolic import equal_expressions
from acereason.rewards.math.verdict import gold_problem, look, verify


def status(response: str, answer: str | list[str], **settings: str) -> str:
    return verify(rf"\boxed{{{response}}}", answer, MathSettings(**settings)).status


@pytest.mark.parametrize(
    ("response", "answer", "expected"),
    [
        ("the answer is 132", "132", "wrong"),
        ("", "132", "wrong"),
        (r"<think>\boxed{1}</think> \boxed{132}", "132", "correct"),
        (r"\boxed{132}</think> I am done.", "132", "wrong"),
        (r"\boxed{132", "132", "wrong"),
        (r"\boxed{}", "132", "wrong"),
        (r"\boxed{" + "9" * 5000 + "}", "9" * 5000, "wrong"),
        (r"\boxed{" + "{" * 100_000 + "1" + "}" * 100_000 + "}", "1", "correct"),
        (r"\boxed{2}", r"\frac{", "error"),
        (r"\boxed{2}", "", "error"),
        (r"\boxed{2}", r"so $x$ is $\boxed{2}$.", "correct"),
    ],
)
def test_responses(response, answer, expected):
    verdict = verify(response, answer)
    assert verdict.status == expected
    assert verdict.reward == {"correct": 1.0, "wrong": 0.0, "error": None}[expected]


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("1,320", "1320"),
        ("0.50", "0.5"),
        (r"\frac{1}{2}", "0.5"),
        (r"\frac{2}{4}", r"\frac{1}{2}"),
        ("-2/3", "2/(-3)"),
        ("1.22", "1,22"),
        ("x+1", "1+x"),
        ("1+2i", "i(2-i)"),
        (r"e^{i\pi}", "-1"),
        (r"0.1\overline{6}", r"\frac{1}{6}"),
        (r"17 \bmod 5 = 2", "2"),
        (r"\sqrt{4} = 2", "2"),
        (r"x = 1/3 \approx 0.33", "1/3"),
        (r"x \approx 5", "5"),
        ("0.0833333333333333", r"\frac{1}{12}"),
        ("2^{100}", "4^{50}"),
        ("1024", "2^{10}"),
        (r"3 \pm 2\sqrt{2}", r"3 + 2\sqrt{2}, 3 - 2\sqrt{2}"),
        (r"\frac{-1 \pm \sqrt{13}}{4}", r"x = \frac{-1+\sqrt{13}}{4}, x = \frac{-1-\sqrt{13}}{4}"),
        ("2, 1", "1, 2"),
        (r"\{2, 1\}", r"\{1, 2\}"),
        (r"19, 46, \text{ and } 82", "19, 46, and 82"),
        ("(5,2),(7,2)", "p=5,q=2;p=7,q=2"),
        ("1, 2, 3", "x = 1, y = 2, z = 3"),
        ("y = 2, x = 1", "x = 1, y = 2"),
        ("x_1 = 3, x_2 = 2", "x_1 = 2, x_2 = 3"),
        ("(3, 2)", "(p, q) = (3, 2)"),
        ("[1, 2, 3]", "(1, 2, 3)"),
        ("5", r"\{5\}"),
        ("(0, 1)", "0 < f(x) < 1"),
        (r"-2 \le x \le 7", r"x \in [-2, 7]"),
        (r"(-\infty, 3) \cup (5, \infty)", r"(5,\infty)\cup(-\infty,3)"),
        ("2x + 3", "f(x) = 2x + 3"),
        ("y = 2x + 3", "f(x) = 2x + 3"),
        ("2x - y + 1 = 0", "y = 2x + 1"),
        (r"\text{(C)}", "C"),
        (r"\textbf{(A)}\ 12", "A"),
        ("odd", r"\text{Odd}"),
        (r"\text{not enough information}", r"\text{Not enough information}"),
        ("20:34:00", "20:34"),
        (r"28\%", "28"),
        ("28", r"28\%"),
        (r"28\%", "0.28"),
        ("0.28", r"28\%"),
        ("10", r"10 \text{ cm}"),
        (r"500 \text{ cm}", r"5 \text{ m}"),
        (r"\frac{2\pi}{3}", r"120^\circ"),
        (r"\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}", r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}"),
    ],
)
def test_correct(response, answer):
    assert status(response, answer) == "correct"


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("131", "132"),
        (r"\frac{1}{3}", r"\frac{1}{2}"),
        ("0.333333", r"\frac{1}{3}"),
        ("3.1415926", r"\pi"),
        ("0.9999999999", "1"),
        (r"\frac{1}{2004!}", r"\frac{1}{2006!}"),
        ("2^{-99}", "2^{-98}"),
        ("2^{100}", "2^{100} - 1"),
        ("4 = 5", "5"),
        ("x = 41 or x = 42", "42"),
        (r"\{1, 2, 3, 42\}", "42"),
        ("3", r"\pm 3"),
        ("1", "1, 1"),
        ("1", "1, 2"),
        ("x = 2, y = 1", "x = 1, y = 2"),
        ("2, 1", "x = 1, y = 2"),
        ("(2, 1)", "(1, 2)"),
        (r"\{1, 2\}", "(1, 2)"),
        ("1, 2", "(1, 2)"),
        ("(1, 2)", r"\{1, 2\}"),
        ("[0, 1)", "(0, 1)"),
        ("(1, 2, 3)", "(1, 2)"),
        ("X", "x"),
        ("2", "2t"),
        ("204", "204_5"),
        ("54", "204_5"),
        (r"5 \text{ m}", r"5 \text{ cm}"),
        (r"5 \text{ kg}", r"5 \text{ cm}"),
        ("3 apples and 4 pears", "3"),
        ("28", "0.28"),
        ("12.5", "12:30"),
        ("5", "05:00"),
        (r"10^\circ", r"10 \text{ cm}"),
        (r"10\%", r"10 \text{ cm}"),
        ("6235", "(6,235)"),
        (r"\text{DNE}", r"\text{undefined}"),
        ("B", "A"),
        ("x = 5", "y = 5"),
        (r"\cos(x) = \frac12", r"\sin(x) = \frac12"),
        ("0", "a + 3z = 0"),
        ("x > -1", "x < 1"),
    ],
)
def test_wrong(response, answer):
    assert status(response, answer) == "wrong"


@pytest.mark.parametrize(
    ("setting", "response", "answer"),
    [
        ({"decimals": "rounded"}, "2.6667", r"\frac{8}{3}"),
        ({"decimals": "rounded"}, "3.1416", r"\pi"),
        ({"containers": "loose"}, "1, 2", "(1, 2)"),
        ({"containers": "loose"}, "[0, 1)", "(0, 1)"),
    ],
)
def test_what_a_lenient_setting_accepts(setting, response, answer):
    assert status(response, answer) == "wrong"
    assert status(response, answer, **setting) == "correct"


@pytest.mark.parametrize(
    ("setting", "response", "answer"),
    [
        ({"decimals": "form"}, "0.5", r"\frac12"),
        ({"choices": "exact"}, r"\text{(C)}\ 42", "C"),
        ({"parts": "all"}, "n = 2", "k = 45, n = 2"),
        ({"parts": "all"}, "(6, 2)", "(2, 2), (6, 2)"),
    ],
)
def test_what_a_strict_setting_refuses(setting, response, answer):
    assert status(response, answer) == "correct"
    assert status(response, answer, **setting) == "wrong"


@pytest.mark.parametrize(
    ("setting", "response", "answer"),
    [
        ({"decimals": "rounded"}, "3.1415", r"\pi"),  # it rounds to 3.1416
        ({"decimals": "rounded"}, "0.33", r"\frac13"),
        ({"decimals": "rounded"}, "0.9999", "1"),
        ({"containers": "loose"}, "(2, 1)", "(1, 2)"),
        ({"parts": "last"}, "2", "2, 3"),
        ({"parts": "last"}, "1", "1, 1"),
    ],
)
def test_what_a_lenient_setting_still_refuses(setting, response, answer):
    assert status(response, answer, **setting) == "wrong"


def test_any_of_several_answers_is_accepted():
    answers = ["7", r"\frac12"]
    assert [status(text, answers) for text in ("7", "0.5", "0.7")] == ["correct", "correct", "wrong"]
    assert verify(r"\boxed{0.5}", answers).detail["answer"] == r"\frac12"


def test_the_verdict_says_what_was_extracted_and_how_it_was_decided():
    assert verify(r"\boxed{131.}", "132").detail == {
        "extracted": "131.",
        "normal": "131.",
        "answer": "132",
        "path": "equal number",
    }
    assert verify(r"\boxed{x+1}", "1+x").detail["path"] == "math-verify"
    assert verify(r"\boxed{9^{9^{9^9}}}", "1").detail["path"] == "too costly to evaluate"


def test_a_look_leaves_the_box_that_it_cannot_decide():
    assert look(r"\boxed{x + 1}", "1 + x") == "x + 1"
    assert look(r"\boxed{\frac12}", "0.5").status == "correct"
    assert look("12", "12").status == "wrong"
    # two answers are decided together: either may be the one that is meant
    assert look(r"\boxed{7}", ["7", "x"]) == "7"
    assert look(r"\boxed{7}", ["8", "7"]).detail == {
        "extracted": "7",
        "normal": "7",
        "answer": "7",
        "path": "equal number",
    }


def spellings(value: Fraction, draw: random.Random) -> list[str]:
    """Ways to write a number, some of which are not its own value."""
    top, bottom = value.numerator, value.denominator
    scaled = draw.randint(2, 9)
    near = value + Fraction(draw.choice([-1, 1]), 10 ** draw.randint(0, 25))
    exact = [as_latex(value), f"{top}/{bottom}", rf"\dfrac{{{top * scaled}}}{{{bottom * scaled}}}"]
    decimal = f"{top / bottom:.{draw.randint(0, 20)}f}"
    return [*exact, decimal, f"{decimal}0", as_latex(near), str(top), f"{top}.0", f"{abs(top):,}"]


def test_the_fast_path_agrees_with_the_slow_one():
    """On some 600 pairs of numbers, equal, nearly equal and different, in many spellings."""
    draw, compared = random.Random(0), 0
    while compared < 600:
        value = Fraction(
            draw.randint(-(10 ** draw.randint(0, 15)), 10 ** draw.randint(0, 15)),
            draw.choice([1, 1, 2, 3, 7, 8, 25, 1000]),
        )
        texts = spellings(value, draw)
        gold, found = draw.choice(texts), draw.choice(texts)
        fast = look(rf"\boxed{{{found}}}", gold)
        if not isinstance(fast, Verdict):
            continue
        compared += 1
        slow, path = equal_expressions(gold.replace(",", ""), found.replace(",", ""))
        assert path == "equal value"
        assert (fast.status == "correct") == slow, (gold, found)


def test_numbers():
    assert number("-.5") == number(r"-\frac{1}{2}") == number("-1/2") == number(r"\frac{-1}{2}") == Fraction(-1, 2)
    for text in ("1_000", "１２", "1e3", "12 cm", "1/0", "", "1,2", "--1", "1.2.3"):
        assert number(text) is None
    assert equal_numbers(Fraction(1, 12), Fraction("0.0833333333333333"), exact=False)
    assert not equal_numbers(Fraction(1, 12), Fraction("0.0833333333333333"), exact=True)
    assert not equal_numbers(Fraction(10**15), Fraction(10**15 + 1), exact=False)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        *(("132", None), (r"\frac{1}{2}", None), (r"\text{Evelyn}", None), ("(1, 2], 3", None), ("C", None)),
        *(("", "no answer"), (r"\frac{1}{", "unparsable"), ("x" * 3000, "3000 characters"), (r"\frac{1}{0}", "zoo")),
    ],
)
def test_gold_problem(answer, problem):
    found = gold_problem(answer)
    assert (found is None) if problem is None else (problem in found)


@pytest.mark.parametrize(
    "text",
    [
        *("$." * 999, " %" * 999, "1," * 999, "(" * 1999, r"\text{" * 300, "1 " * 999, r"\frac" * 399, "1_" * 999),
        *(r"\left" * 399, "=" * 1999, r"\pm" * 600, "x=" * 999, "a b " * 499, r"\\" * 999, "^" * 1999, "{}" * 999),
        *("\x00", "\ud800", "𝟙" * 999, "'" * 1999, "٣", "½" * 500, "1/" * 999, "and " * 499, ";,;" * 600),
    ],
)
def test_no_text_takes_long_on_the_quick_path(text):
    start = time.process_time()
    for response, answer in ((text, "1"), ("1", text)):
        look(rf"\boxed{{{response}}}", answer)
        _COMPARISON.compare(answer, response)
    assert time.process_time() - start < 1


@pytest.mark.parametrize("box", ["3+=74b", "#4o=2", r"\\6+-4=5", "1=2=", "2+=14", "9^{9^{9^{9}}}=14"])
def test_a_chain_whose_sides_can_not_be_read_is_wrong_and_no_error(box):
    verdict = verify(rf"\boxed{{{box}}}", "14")
    assert verdict.status == "wrong"
    assert verdict.detail["path"].startswith("contradicts itself")


def test_a_failing_comparison_is_an_error(monkeypatch):
    def fails(self, answer, response):
        raise TypeError("no truth value")

    monkeypatch.setattr(Comparison, "compare", fails)
    verdict = verify(r"\boxed{x}", "2")
    assert (verdict.status, verdict.detail["error"]) == ("error", "TypeError: no truth value")
