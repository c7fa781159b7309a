import pytest

from acereason.curation.text import split, words


def tokens(text: str) -> list[str]:
    return split(text)[0]


SAME = [
    ("Find $x$.", "find  \\(x\\)"),
    (r"What is $\dfrac{1}{2}$ of $10^{2}$?", r"what is \tfrac{1}{2} of 10^2"),
    (r"Evaluate \left( 2 \, + \; 3 \right)", "Evaluate (2+3)"),
    ("Janet’s two-digit number", "Janet's two digit number"),
    ("5 − 3", "5-3"),
    (r"It costs \$15, or 20\% less", "It costs $15, or 20% less"),
    (r"$a$\\$b$", "a b"),
]
DIFFERENT = [
    ("What is 1.5?", "What is 15?"),
    ("What is 2+3?", "What is 2-3?"),
    ("What is 2*3?", "What is 23?"),
    ("What is 5!", "What is 5"),
    ("(x+1)^2", "x+1^2"),
    ("[0,1)", "[0,1]"),
    (r"\sqrt{2}x", r"\sqrt{2x}"),
    (r"x^{2y}", "x^2 y"),
    (r"\frac{1}{23}", r"\frac{12}{3}"),
    ("f'(x)", "f(x)"),
    ("f(1,2)", "f(12)"),
    ("$x < 3$", r"$x \le 3$"),
    ("x-y", "xy"),
    ("20% of 50", "20 of 50"),
    (r"\Delta ABC", r"\delta ABC"),
    ("Find $R$", "Find $r$"),
    (r"x^{ab}", "x^ab"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_text(one, other):
    assert tokens(one) == tokens(other)


def test_an_escaped_sign_is_no_word():
    assert words(r"It costs \$15, or 20\% less.") == ["it", "costs", "15", "or", "20%", "less"]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_another_problem(one, other):
    assert tokens(one) != tokens(other)


def test_tokens():
    assert tokens(r"If $2x^{10} \ge 3.5$, find Bob's \textbf{age}!") == [
        *("if", "2", "x", "^", "10", r"\ge", "3.5", "find", "bob", "'", "s", r"\textbf", "{", "age", "}", "!")
    ]


def test_what_near_copies_must_agree_in():
    _, told = split("A box holds three red balls and AB = 4. Find x, not y.")
    assert told == ["three", "red", "ab", "=", "4", "x", "not", "y"]


def test_words_are_between_spaces_without_punctuation_and_drawings():
    assert words('He said: "$x^2+1$ is (very) big!" [asy]draw(a,b);[/asy] Well-known?') == [
        *("he", "said", "x^2+1", "is", "very", "big", "well", "known")
    ]
