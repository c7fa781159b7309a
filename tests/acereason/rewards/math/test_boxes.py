import time

import pytest

from acereason.rewards.math.boxes import last_boxed
from acereason.rewards.thoughts import final_part


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"so \boxed{42}.", "42"),
        (r"\boxed{1} no, \boxed{2}", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\left\{1, 2\right\}}", r"\left\{1, 2\right\}"),
        (r"\boxed{\left\{ x \right.} and more", r"\left\{ x \right."),
        (r"\boxed{185\}.", "185\\"),  # every brace counts where the box is not closed otherwise
        (r"\fbox{7}", "7"),
        (r"\boxed {7}", "7"),
        (r"\boxed{ 7 }", "7"),
        (r"\boxed{7<|im_end|>}", "7"),
        (r"\boxed{7}<|im_end|>", "7"),
        (r"\boxed{7}, in a \boxed command", "7"),
        (r"\boxed{}", ""),
        (r"\boxed{1} and \boxed{2", None),
        (r"\boxed{" * 100_000, None),
        ("42", None),
        ("", None),
    ],
)
def test_last_boxed(text, expected):
    assert last_boxed(text) == expected


@pytest.mark.parametrize("text", ["a</think>b", "a</think>x</think>b", "b"])
def test_final_part(text):
    assert final_part(text) == "b"


@pytest.mark.parametrize(
    "text",
    [
        r"\boxed " * 150_000,
        r"\boxed{" * 150_000,
        r"\boxed{" + "{" * 500_000 + "}" * 500_000 + "}",
        r"\boxed{" + r"\{" * 500_000,
        "x" * 1_000_000 + r"\boxed{1}",
        r"\boxed" + " " * 1_000_000,
        "</think>" * 120_000,
    ],
    ids=["mentions", "nested", "braces", "escaped", "long", "spaces", "thinks"],
)
def test_a_megabyte_takes_no_time(text):
    start = time.process_time()
    last_boxed(final_part(text))
    assert time.process_time() - start < 2
