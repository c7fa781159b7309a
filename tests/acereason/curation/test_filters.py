import time

import pytest

from acereason.curation.filters import by_rules
from acereason.curation.rules import RULES
from tests.support.curations import curated, dropped, ids_of, write_rows

DROPPED = {
    "figures": [
        ("In the figure below, find x.", "1"),
        ("The diagram shows a square. [asy]draw((0,0));[/asy]", "1"),
        ("As shown in the figure, AB = 3. Find BC.", "1"),
        ("See ![](a.png). Find x.", "1"),
        ("The graph of f is shown above. Find f(2).", "1"),
        ("Two circles touch, as shown. Find the smaller radius.", "1"),
        ("How many triangles are in the picture?", "1"),
        (r"\includegraphics[width=3cm]{a.pdf} What is the area?", "1"),
        ("What is the slope of the line in this plot? https://a.org/plot.png", "1"),
        ("The graphs shown below meet at P. Find its abscissa.", "1"),
    ],
    "proofs": [
        ("Prove that 2 is even.", ""),
        ("Show that $x>1$.", "x"),
        ("Let $x>2$. Show that $x^2>4$.", ""),
        ("If $a+b=1$, prove that $ab\\le\\frac14$.", ""),
        ("Find the minimum, and prove that it is attained.", "1"),
        ("Disprove: all primes are odd.", ""),
        ("Prove or disprove that every group of order 4 is abelian.", ""),
        ("For real $x$, show that $e^x \\ge 1+x$.", ""),
        ("Give a proof of the theorem of Pythagoras.", ""),
        ("Please prove the following identity: $a=a$.", ""),
    ],
    "multiple_choice": [
        ("What is 2+3? (A) 4 (B) 5 (C) 6", "B"),
        (r"What? $\textbf{(A)}\ 1\qquad\textbf{(B)}\ 2\qquad\textbf{(C)}\ 3$", "2"),
        ("Which of the following is odd: 2, 3?", "3"),
        ("How large is x?\nA. 4\nB. 5\nC. 6", "5"),
        ("Which number rounds to 3? A) 3.1 B) 3.6 C) 3.9", "3.1"),
        (r"The sum is $\mathrm{(A) \ 7 } \qquad \mathrm{(B) \ 8 } \qquad \mathrm{(C) \ 9 }$", "8"),
        ("On which quarter, A, B, C or D, does he stop?", r"\text{(C)}"),
        ('What curve is it? Enter "C" for a circle, "E" for an ellipse.', r"\text{E}"),
        ("What is the largest domain? (a) all (b) none (c) x > 0", "C"),
        ("[asy]draw((0,0));[/asy] The curve is a (A) line (B) circle (C) parabola", "B"),
    ],
    "true_false": [
        ("Is 7 a prime number?", r"\text{Yes}"),
        ("True or false: 2 is odd.", "0"),
        ("Does the series converge?", "no"),
        ("Is every square a rhombus?", "$\\text{True}$"),
        ("Is this true or false? All primes are odd.", "0"),
        ("Can a graph have one odd vertex?", "No."),
        ("Judge: a matrix of ones is regular.", r"\textbf{False}"),
        ("Zero is even. True or false?", "1"),
        ("Are the lines parallel?", "yes"),
        ("All groups of order 5 are cyclic (true or false?)", "1"),
    ],
    "several_questions": [
        ("(a) Find x. (b) Find y.", "1"),
        ("i) Find x.\nii) Find y.", "1"),
        ("Let x = 3. (1) What is x+1? (2) What is x+2?", "4, 5"),
        ("A box holds 3 balls. a) How many are red? b) How many are blue?", "1"),
        ("Let f be even. (i) Show f(0) = 1. (ii) Hence find f(2).", "1"),
        ("1. Compute 2+2. 2. Compute 3+3.", "4, 6"),
        ("(a) If x = 2, find y. (b) If x = 3, find y.", "1"),
        ("For $n>1$: (1) determine the limit; (2) determine the sum.", "1"),
        ("a. Solve for x. b. Solve for y.", "1"),
        ("(a) Is 7 a prime? (b) Is 9 a prime?", "1"),
    ],
    "answered": [("Find x.", " "), ("Find x.", "")],
    "short_answer": [("Find x.", "1" * 101)],
    "not_brief": [
        ("Calculate:", "5"),
        ("", "5"),
        ("Problem 3.", "5"),
        ("8. 3", "5"),
        ("$x^2+1$", "5"),
        ("Solve.", "5"),
        ("Task 4. Calculate:", "5"),
        ("Find the value", "5"),
        ("12.", "5"),
        ("Example 2", "5"),
    ],
    "english": [("Найдите наименьшее число x.", "5"), ("求最小的正整数。", "5")],
}
KEPT = [
    ("Let $f(A) = A + (B) + C$ for real numbers. Find the graph's slope at 2.", "4"),
    ("How many ways are there to choose a figure skater and a judge?", "12"),
    ("Find the number of true statements among all of them.", "3"),
    (r"Évaluez $\int_0^1 x\,dx$ with α = 2 and Δ = 3.", r"\frac12"),
    ("A proven method takes 3 hours; how long do two take?", "6"),
    # no figure
    ("Is the graph of the equation below a parabola? $y=x^2$", r"\text{parabola}"),
    (r"Rows of a triangle are in the diagram shown. $\begin{array}{c}1\\1\ 1\end{array}$ What comes next?", "1 2 1"),
    ("She needs to figure out how many pictures are above average: 3 of 7 or 4 of 9?", "4"),
    ("Find the image of (1,2) under a rotation by 90 degrees.", "(-2,1)"),
    ("It can be shown that the graphs of $y=x$ and $y=x^2$ meet twice. Where is the second?", "(1,1)"),
    # no proof
    ("Jill watched a show that was 30 minutes long. How long was a second show that took twice as much?", "60"),
    ("If records show that the team won 3 of 5, how many did it lose?", "2"),
    ("In how many ways can the letters of PROOF be arranged?", "60"),
    ("The dough takes 2 hours to proof and 15 minutes to bake. How many minutes in all?", "135"),
    ("He needs to prove that he scored 80. What is the mean of 70 and 90?", "80"),
    # no options
    ("Point A. is 3 from B. and 4 from C. How far is it in all?", "7"),
    ("Find the largest value of $\\sqrt{(1 - a)(1 - b)(1 - c)}$.", "1"),
    ("How many integers meet these conditions: (A) even, (B) below 9, and (C) positive?", "4"),
    ("What is the 100th letter in the pattern ABCABC...?", "A"),
    ("Express the last term in terms of $a$, where $a>0$ and $b=1$.", "a"),
    # neither true nor false
    ("For how many n is it true that n < 4?", "3"),
    ("A test has 6 true/false questions. In how many ways can it be answered?", "64"),
    ("What makes the equation below true? $2x=4$", "2"),
    ("How many students said yes or no, if 3 said yes and 4 said no?", "7"),
    # conditions
    ("Find the least n such that (i) n is even, (ii) n is above 8.", "10"),
    (
        "What is the least integer that fits?\na) When divided by 2, it leaves 1.\nb) When divided by 3, it leaves 2.",
        "5",
    ),
    ("A sequence obeys: (1) $a_1=1$, (2) $a_{2n}=n a_n$. What is $a_8$?", "8"),
    ("For how many a is it so that: (1) a < 50 (2) the equation has two solutions?", "6"),
    ("What is $n$ in $n + (n + 1) + (n + 2) = 9$?", "2"),
    # brief and complete
    (r"Compute $\tan 120^\circ$.", r"-\sqrt{3}"),
    ("Find $0.4 \\cdot 0.6$.", "0.24"),
    ("Factor $t^2-49$.", "(t-7)(t+7)"),
    ("What is $2.43-1.2$?", "1.23"),
    ("5. Compute $2+3$.", "5"),
]


@pytest.mark.parametrize("rule", RULES)
def test_what_a_rule_drops(rule):
    for statement, answer in DROPPED[rule]:
        row = {"task": "math", "statement": statement, "answer": answer}
        assert [entry.reason for entry in by_rules(0, row, [rule])] == [RULES[rule][1]], statement


@pytest.mark.parametrize("rule", RULES)
def test_what_a_rule_leaves(rule):
    for statement, answer in KEPT:
        assert by_rules(0, {"task": "math", "statement": statement, "answer": answer}, [rule]) == [], statement


HOSTILE = ["(A) ", "(A) (B) ", "a) b) ", "\n", " ", "https://", "graph shown ", "in the condition ", "if "]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_takes_long(text):
    before = time.process_time()
    by_rules(0, {"task": "math", "statement": text * 30_000, "answer": "A"}, list(RULES))
    assert time.process_time() - before < 10  # hundredths of a second; a search in cubic time takes days


def test_rules_of_math_leave_code():
    row = {"task": "code", "statement": "Prove nothing, print (A) 1 (B) 2 (C) 3.", "answer": ""}
    assert by_rules(0, row, [name for name in RULES if name not in ("figures", "not_brief", "english")]) == []


TESTS = '{"inputs": ["1"], "outputs": ["1"]}'


def test_verifiable(tmp_path):
    rows = [
        {"problem": "What is two and three?", "answer": "5"},
        {"problem": "What is half of it all?", "answer": r"\frac{1}{2}"},
        {"problem": "What is broken in this?", "answer": r"\frac{"},
        {"problem": "What is missing in here?", "answer": ""},
    ]
    code = [
        {"question": "Print the number.", "input_output": TESTS, "starter_code": ""},
        {"question": "Print some number.", "input_output": "", "starter_code": ""},
    ]
    sources = {"m": write_rows(tmp_path / "m.jsonl", rows)}
    sources["c"] = write_rows(tmp_path / "c.jsonl", code) | {"fields": "taco", "task": "code"}
    output = curated(tmp_path, sources=sources, filters={"verifiable": True})
    assert ids_of(output) == ["c/0", "m/0", "m/1"]
    assert dropped(output, "filter")["c/1"] == (
        "not verifiable",
        {"rule": "verifiable", "found": "no tests that can be read"},
    )


def test_an_unknown_rule(tmp_path, capsys):
    with pytest.raises(SystemExit):
        curated(tmp_path, sources={"m": write_rows(tmp_path / "m.jsonl", ["x"])}, filters={"rules": ["nosuch"]})
    assert "error: filters.rules: no rule 'nosuch'; there are ['answered'" in capsys.readouterr().err
