import time

import pytest

from acereason.rewards.code.program import last_code

F = "```"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"{F}python\nprint(1)\n{F}", "print(1)\n"),
        (f"first {F}\n\n{F}python\nprint(1)\n{F}\nthen\n{F}\nprint(2)\n{F}\n", "print(2)\n"),
        (f"{F}py\nprint(1)\n{F}\nIt prints\n{F}text\n1\n{F}\nand in C++\n{F}cpp\nint main;\n{F}", "print(1)\n"),
        (f"<think>\n{F}python\nprint(1)\n{F}\n</think>\nnothing", None),
        (f"<think>{F}python\nprint(1)\n{F}</think>\n{F}python\nprint(2)\n{F}", "print(2)\n"),
        (f"{F}python\nprint(1)\n{F}\n{F}python\nprint(2)", "print(1)\n"),
        (f"{F}python\n\n{F}", None),
        (f"{F}Python3 title\r\nprint(1)\r\n{F}\r\n", "print(1)\r\n"),
        (f"~~~python\nprint('{F}')\n~~~", f"print('{F}')\n"),
        (f"{F}`python\na = '''\n{F}\n'''\n{F}`", f"a = '''\n{F}\n'''\n"),
        (f"1. Do\n   {F}python\nprint(1)\n   {F}", "print(1)\n"),
        ("print(1)", None),
        ("", None),
    ],
)
def test_the_last_fenced_block(text, code):
    assert last_code(text) == code


@pytest.mark.parametrize("text", [f"{F}\n" * 300_001, "`" * 1_000_000, f"{F}python\n" * 200_000, f"{F} a" * 300_000])
def test_a_megabyte_takes_no_time(text):
    started = time.process_time()
    last_code(text)
    assert time.process_time() - started < 20  # what grows with the square takes hours
