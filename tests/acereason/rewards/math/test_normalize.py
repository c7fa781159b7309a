import pytest

from acereason.rewards.math.measures import scale
from acereason.rewards.math.normalize import Normal, normalize, strip_braces


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        ("$5$", "5"),
        (r"\(5\)", "5"),
        ("5.", "5"),
        ("185\\", "185"),
        ("{{5}}", "5"),
        (r"\dfrac{1}{2}", r"\frac{1}{2}"),
        (r"\frac\pi 2", r"\frac{\pi}{2}"),
        (r"\left( 3, \frac{\pi}{2} \right)", r"( 3, \frac{\pi}{2} )"),
        (r"\\left( \\frac{4}{3} \\right)", r"( \frac{4}{3} )"),
        (r"\begin{pmatrix} 0 & 3 \\ 0 & -1 \end{pmatrix}", r"\begin{pmatrix} 0 & 3 \\ 0 & -1 \end{pmatrix}"),
        (r"1\,000\,000", "1000000"),
        (r"11,\! 111,\! 100", "11111100"),
        ("18{,}234", "18234"),
        ("1,320", "1320"),
        ("1 320", "1320"),
        ("(1,320)", "(1, 320)"),
        ("1,2,3", "1,2,3"),
        ("1 1/2", r"1\frac{1}{2}"),
        ("1e-3", r"1\times 10^{-3}"),
        (r"\sqrt[3]2", r"\sqrt[3]{2}"),
        ("√2", r"\sqrt{2}"),
        ("√(x)", r"\sqrt(x)"),
        ("π/2", r"\pi /2"),
        ("x²", "x^{2}"),
        ("－３．５", "-3.5"),
        ("−2", "-2"),
        (r"a \leq b", r"a \le b"),
        (r"\operatorname{lcm}(2, 3)", r"\lcm (2, 3)"),
        ("05\\!:\\!00", "05:00"),
    ],
)
def test_one_spelling(latex, text):
    assert normalize(latex) == Normal(text)


@pytest.mark.parametrize(
    ("latex", "normal"),
    [
        (r"28\%", Normal("28", percent=True)),
        ("28 percent", Normal("28", percent=True)),
        (r"10 \text{ cm}", Normal("10", unit="cm")),
        (r"10\text{ cm}^{2}", Normal("10", unit="cm^2")),
        (r"10 \text{ square centimeters}", Normal("10", unit="cm^2")),
        (r"\sqrt{3}\,\mathrm{km}", Normal(r"\sqrt{3}", unit="km")),
        ("10 weeks", Normal("10", unit="week")),
        ("60 miles per hour", Normal("60", unit="mi/h")),
        (r"\$32{,}000", Normal("32000", unit="dollar")),
        (r"120^\circ", Normal("120", unit="degree")),
        ("45 degrees", Normal("45", unit="degree")),
        ("2m", Normal("2m")),
        ("2ab", Normal("2ab")),
        (r"2\pi r", Normal(r"2\pi r")),
        (r"\text{Evelyn}", Normal(r"\text{Evelyn}")),
        (r"6 \text{ and } 8", Normal(r"6 \text{ and } 8")),
    ],
)
def test_percent_and_units_are_set_apart(latex, normal):
    assert normalize(latex) == normal


@pytest.mark.parametrize(("text", "inner"), [("{{a}}", "a"), ("{a}{b}", "{a}{b}"), ("{{a}{b}}", "{a}{b}"), ("a", "a")])
def test_strip_braces(text, inner):
    assert strip_braces(text) == inner


def test_strip_braces_is_linear():
    assert strip_braces("{" * 100_000 + "1" + "}" * 100_000) == "1"
    unbalanced = "{" * 100_000 + "}{" + "}" * 100_000
    assert strip_braces(unbalanced) == unbalanced


def test_scales():
    assert scale("km")[1] / scale("cm")[1] == 100_000
    assert scale("m^2")[1] / scale("cm^2")[1] == 10_000
    assert scale("apple") is None
