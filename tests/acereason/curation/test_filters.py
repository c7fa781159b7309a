import pytest
from curating import curated, dropped, ids_of, write_rows

from acereason.curation.filters import RULES, by_rules

DROPPED = {
    "figures": [
        ("In the figure below, find x.", "1"),
        ("The diagram shows a square. [asy]draw((0,0));[/asy]", "1"),
        ("As shown in the figure, AB = 3. Find BC.", "1"),
        ("See ![](a.png). Find x.", "1"),
        ("The graph of f is shown above. Find f(2).", "1"),
    ],
    "proofs": [("Prove that 2 is even.", ""), ("Show that $x>1$.", "x")],
    "multiple_choice": [
        ("What is 2+3? (A) 4 (B) 5 (C) 6", "B"),
        (r"What? $\textbf{(A)}\ 1\qquad\textbf{(B)}\ 2\qquad\textbf{(C)}\ 3$", "2"),
        ("Which of the following is odd: 2, 3?", "3"),
        ("Pick one.", r"\text{(C)}"),
    ],
    "true_false": [("Is 7 a prime number?", r"\text{Yes}"), ("True or false: 2 is odd.", "0")],
    "several_questions": [("(a) Find x. (b) Find y.", "1"), ("i) Find x.\nii) Find y.", "1")],
    "answered": [("Find x.", " ")],
    "short_answer": [("Find x.", "1" * 101)],
    "not_brief": [("Calculate:", "5")],
    "english": [("Найдите наименьшее число x.", "5"), ("求最小的正整数。", "5")],
}
KEPT = [
    ("Let $f(A) = A + (B) + C$ for real numbers. Find the graph's slope at 2.", "4"),
    ("How many ways are there to choose a figure skater and a judge?", "12"),
    ("Find the number of true statements among all of them.", "3"),
    (r"Évaluez $\int_0^1 x\,dx$ with α = 2 and Δ = 3.", r"\frac12"),
    ("A proven method takes 3 hours; how long do two take?", "6"),
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
